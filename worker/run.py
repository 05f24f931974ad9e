"""Runs one worker in this process, from a fresh event loop to the exit code.

1. Until the loop stands, a stop signal ends the process; then it is the worker's to obey.
2. Checks of Redis and of the queue; a worker that is refused ends with exit code 2.
3. Work until told to stop, close, and give the exit code.

The client is made inside the loop, after any fork, and closed on every way out: a normal end, a signal,
a start that failed, a defect.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

from settings import Settings

from .cancelling import end_tasks
from .process import PenstockWorker
from .sharing import Kind, Mark
from .start_checks import REFUSED, StartRefused, check_start
from .stop_signals import STOPPING, end_at_once

logger = logging.getLogger("penstock.worker")

_WATCH_PARENT_SECONDS = 1.0
# Objects made and not let go of before the garbage collector looks for cycles. With 50,000 a worker peaked
# 25 MB higher in an outage, and was no faster.
_COLLECT_AFTER = 10_000


def run_worker(
    settings: Settings, *, burst: bool = False, parent: int | None = None, arq: dict[str, Any] | None = None
) -> int:
    """Run until stopped; the exit code. `parent`: stop when this process is the parent no more.

    `arq` holds what a user's own arq settings class adds (see arq_settings).
    """
    end_at_once(0)
    _quieten_the_garbage_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_work(settings, burst, parent, arq or {}))


def _quieten_the_garbage_collector() -> None:
    """What is imported by now stays; and thousands of jobs in flight are no garbage.

    With Python's own threshold (700) the collector walks everything in flight again and again: a fifth of
    the worker's time. Jobs hold no cycles: they go when their last reference goes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


async def _work(settings: Settings, burst: bool, parent: int | None, arq: dict[str, Any]) -> int:
    worker = PenstockWorker(settings, burst=burst, **arq)
    loop = asyncio.get_running_loop()
    for signum in STOPPING:
        loop.add_signal_handler(signum, worker.stop, signum)
    watching = asyncio.create_task(_stop_with_parent(worker, parent)) if parent else None
    code = 1
    try:
        code = await _start_and_run(worker, settings)
    finally:
        if watching:
            watching.cancel()
        await worker.close()
        _end_at_once_if_told_again(loop, code)
    return code


async def _start_and_run(worker: PenstockWorker, settings: Settings) -> int:
    try:
        if await _may_start(worker, settings):
            await worker.async_run()
    except StartRefused as refused:
        for problem in refused.problems:
            logger.critical("the worker does not start: %s", problem)
        return REFUSED
    except Exception:
        logger.critical("the worker ends: something it can't go on without has failed", exc_info=True)
        return 1
    return 0


async def _may_start(worker: PenstockWorker, settings: Settings) -> bool:
    """False where the worker was told to stop before the checks had an answer. Raises StartRefused."""
    mark = Mark(worker.pool, settings.queue, Kind.PENSTOCK, settings.lease_seconds)
    checking = asyncio.create_task(check_start(worker.pool, settings, mark))
    told = asyncio.create_task(worker.stopping.wait())
    try:
        done, _ = await asyncio.wait({checking, told}, return_when=asyncio.FIRST_COMPLETED)
        if checking in done:
            checking.result()
        return told not in done
    finally:
        await end_tasks([checking, told])


def _end_at_once_if_told_again(loop: asyncio.AbstractEventLoop, code: int) -> None:
    """What is left is the interpreter's end, where a signal would replace the exit code by its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # the loop gives them their default back
    for signum in STOPPING:
        loop.remove_signal_handler(signum)
    end_at_once(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


async def _stop_with_parent(worker: Any, parent: int) -> None:
    """A supervisor that was killed can't pass signals on: its children stop by themselves."""
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of a parent's death
        await asyncio.sleep(_WATCH_PARENT_SECONDS)
    worker.stop(signal.SIGTERM)
