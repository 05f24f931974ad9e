"""One after another: what a single write costs, called directly and as a job."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ..corpus import Pairs
from ..place import Place
from ..reading import Reading
from .penstock_jobs import scene

Write = Callable[[str, dict[str, Any]], Awaitable[object]]
# The first ones meet a cold connection.
_LEFT_OUT = 0.2


async def lone_direct(place: Place, pairs: Pairs) -> Reading:
    """Median ms of one `es.index` call after another."""
    async with place.index() as index:
        return await _median_ms(
            lambda id, document: place.elasticsearch.index(index=index, id=id, document=document), pairs
        )


async def lone_job(place: Place, pairs: Pairs) -> Reading:
    """Median ms of one job after another, from its enqueue to its report in the producer's hands."""
    async with scene(place) as there:

        async def write(id: str, document: dict[str, Any]) -> None:
            handle = await there.queue.index(index=there.index, id=id, document=document)
            await handle.result(timeout=30)

        return await _median_ms(write, pairs)


async def _median_ms(write: Write, pairs: Pairs) -> Reading:
    times = []
    for id, document in pairs:
        started = time.perf_counter()
        await write(id, document)
        times.append((time.perf_counter() - started) * 1000)
    return Reading(statistics.median(times[int(len(times) * _LEFT_OUT) :]))
