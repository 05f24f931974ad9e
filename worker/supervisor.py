"""Runs several worker processes and passes signals on to them.

1. Fork one child a worker. Each makes its own loop and its own clients, after the fork.
2. A child that dies is started again, after a pause that doubles while children keep dying.
3. A signal goes to every child; the exit code is 0 when all children ended well.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

Handlers = Mapping[signal.Signals, Any]

logger = logging.getLogger("penstock.supervisor")

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long has started well: the next pause is the first one again.
_LIVED_WELL_SECONDS = 60.0


class Supervisor:
    """`work` runs in each child and gives its exit code. In a burst, children that end are not replaced."""

    def __init__(self, work: Callable[[], int], processes: int, *, burst: bool) -> None:
        self._work, self._processes, self._burst = work, processes, burst
        self._children: dict[int, float] = {}
        self._failed = 0
        self._stopping = False
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self) -> int:
        """Until every child has ended; the exit code."""
        signals = {signal.SIGINT, signal.SIGTERM}
        previous = {signum: signal.signal(signum, self._pass_on) for signum in signals}
        try:
            for _ in range(self._processes):
                self._fork(previous)
            while self._children:
                self._wait(previous)
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
        return 1 if self._failed else 0

    def _fork(self, handlers: Handlers) -> None:
        # A signal between fork and the child's own handler would be lost in ours: it is held back.
        signal.pthread_sigmask(signal.SIG_BLOCK, handlers)
        child = os.fork()
        if child == 0:
            self._be_child(handlers)
        self._children[child] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        logger.info("worker process %d started", child)

    def _be_child(self, handlers: Handlers) -> None:
        code = 1
        try:
            for signum in handlers:
                signal.signal(signum, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
            code = self._work()
        except BaseException:
            logger.critical("the worker process failed", exc_info=True)
        finally:
            logging.shutdown()
            # Not sys.exit: nothing of the parent's stack may run in the child.
            os._exit(code)

    def _wait(self, handlers: Handlers) -> None:
        child, status = os.wait()
        lived = time.monotonic() - self._children.pop(child)
        code = os.waitstatus_to_exitcode(status)
        if self._stopping or self._burst:
            self._failed += code != 0
            return
        logger.error("worker process %d ended with %d; another is started", child, code)
        self._pause = _FIRST_PAUSE_SECONDS if lived > _LIVED_WELL_SECONDS else self._pause * 2
        time.sleep(min(self._pause, _LONGEST_PAUSE_SECONDS))
        if not self._stopping:
            self._fork(handlers)

    def _pass_on(self, signum: int, _frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            os.kill(child, signum)
