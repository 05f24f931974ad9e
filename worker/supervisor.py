"""Runs several worker processes and passes signals on to them.

1. Fork one child a worker. Each makes its own loop and its own clients, after the fork.
2. A child that dies is started again, after a pause that doubles while children keep dying. Where the last
   one alive was refused a start, so would all others be: then it is the end.
3. SIGINT and SIGTERM go to every child once; the exit code is 0 when all children ended well.

Signals only note what has come; the loop acts on it, so nothing happens between two other things.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType

from .start_checks import REFUSED
from .stop_signals import STOPPING, end_at_once

logger = logging.getLogger("penstock.supervisor")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long has started well: the next pause is the first one again.
_LIVED_WELL_SECONDS = 60.0
_HANDLED = (*STOPPING, signal.SIGCHLD)


class Supervisor:
    """`work` runs in each child and gives its exit code. In a burst, children that end are not replaced."""

    def __init__(self, work: Callable[[], int], processes: int, *, burst: bool) -> None:
        self._work, self._burst = work, burst
        self._children: dict[int, float] = {}
        self._starts = [0.0] * processes
        self._came: list[int] = []
        self._code = 0
        self._stopping = False
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self) -> int:
        """Until every child has ended; the exit code."""
        woken, waker = os.pipe()
        for end in (woken, waker):
            os.set_blocking(end, False)
        before = {signum: signal.signal(signum, self._note) for signum in _HANDLED}
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        try:
            while self._children or self._starts:
                self._start_due()
                self._act_on_signals()
                self._bury()
                if self._children or self._starts:
                    select.select([woken], [], [], self._seconds_to_next_start())
                    _drain(woken)
        finally:
            signal.set_wakeup_fd(-1)
            for signum, handler in before.items():
                signal.signal(signum, handler)
            os.close(woken)
            os.close(waker)
        return self._code

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self._came.append(signum)

    def _act_on_signals(self) -> None:
        came, self._came = self._came, []
        for signum in came:
            if signum in STOPPING:
                self._stopping = True
                self._starts.clear()
                for child in self._children:
                    os.kill(child, signum)

    def _start_due(self) -> None:
        due = [start for start in self._starts if start <= time.monotonic()]
        self._starts = [start for start in self._starts if start not in due]
        for _ in due:
            self._fork()

    def _seconds_to_next_start(self) -> float | None:
        return max(0.0, min(self._starts) - time.monotonic()) if self._starts else None

    def _fork(self) -> None:
        # A signal between fork and the child's own handler would be noted in ours: it is held back.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        child = os.fork()
        if child == 0:
            self._be_child()
        self._children[child] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        logger.info("worker process %d started", child)

    def _be_child(self) -> None:
        code = 1
        try:
            # A terminal sends Ctrl-C to its whole group; the child gets it from us, once.
            os.setpgrp()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            end_at_once(0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            code = self._work()
        except BaseException:
            logger.critical("the worker process failed", exc_info=True)
        finally:
            logging.shutdown()
            # Not sys.exit: nothing of the parent's stack may run in the child.
            os._exit(code)

    def _bury(self) -> None:
        """Take the ended children off the list. Only ours: as process 1 we inherit every orphan."""
        for child in list(self._children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                lived = time.monotonic() - self._children.pop(child)
                self._replace(child, os.waitstatus_to_exitcode(status), lived)

    def _replace(self, child: int, code: int, lived: float) -> None:
        if code == REFUSED and not self._children:
            self._starts.clear()
            self._code = REFUSED
            return
        if self._stopping or self._burst:
            self._code = self._code or int(code != 0)
            return
        if lived > _LIVED_WELL_SECONDS:
            self._pause = _FIRST_PAUSE_SECONDS
        pause = min(self._pause, _LONGEST_PAUSE_SECONDS)
        logger.error("worker process %d ended with %d; another is started in %.1f s", child, code, pause)
        self._starts.append(time.monotonic() + pause)
        self._pause = pause * 2


def _drain(pipe: int) -> None:
    """Empty the wake-up pipe."""
    try:
        while os.read(pipe, 1024):
            pass
    except BlockingIOError:
        return
