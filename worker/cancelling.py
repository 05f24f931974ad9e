"""Ends tasks for certain. Knows nothing of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_SECONDS = 0.05


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end; what they raise is dropped.

    A single cancel is not enough: before Python 3.12 `asyncio.wait_for`, through which redis-py sends its
    commands, swallows one that comes just as its call ends (python/cpython#86296). The task goes on then.
    """
    ending = set(tasks)
    running = {task for task in ending if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    await asyncio.gather(*ending, return_exceptions=True)
