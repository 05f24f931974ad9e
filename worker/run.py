"""Runs one worker in this process, from a fresh event loop to the exit code.

The client is made inside the loop, after any fork, and closed on every way out: a normal end, a signal,
a start that failed, a defect.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

from settings import Settings

from .process import PenstockWorker

logger = logging.getLogger("penstock.worker")

_WATCH_PARENT_SECONDS = 1.0


def run_worker(
    settings: Settings, *, burst: bool = False, parent: int | None = None, arq: dict[str, Any] | None = None
) -> int:
    """Run until stopped; the exit code. `parent`: stop when this process is the parent no more.

    `arq` holds what a user's own arq settings class adds (see arq_settings).
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_work(settings, burst, parent, arq or {}))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


async def _work(settings: Settings, burst: bool, parent: int | None, arq: dict[str, Any]) -> int:
    worker = PenstockWorker(settings, burst=burst, **arq)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, worker.stop, signum)
    watching = asyncio.create_task(_stop_with_parent(worker, parent)) if parent else None
    try:
        await worker.async_run()
    except Exception:
        logger.critical("the worker ends: something it can't go on without has failed", exc_info=True)
        return 1
    finally:
        if watching:
            watching.cancel()
        await worker.close()
    return 0


async def _stop_with_parent(worker: Any, parent: int) -> None:
    """A supervisor that was killed can't pass signals on: its children stop by themselves."""
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of a parent's death
        await asyncio.sleep(_WATCH_PARENT_SECONDS)
    worker.stop(signal.SIGTERM)
