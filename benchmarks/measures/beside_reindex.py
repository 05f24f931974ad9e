"""What a reindex costs the jobs beside it: one after another on its alias, in the same worker process."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jobs import IndexQueue
from jobs.handle import JobHandle

from ..corpus import Pairs
from ..place import NotFit, Place
from ..reading import Reading
from .penstock_jobs import WORKER
from .reindexing import filled

_SECONDS = 600.0
# The first ones meet cold connections.
_LEFT_OUT = 0.2
# Fewer say nothing of a median.
_LEAST_JOBS = 20


async def lone_before_reindex(place: Place, pairs: Pairs, jobs: int) -> Reading:
    """Median ms of so many jobs, from enqueue to report, on an index that holds the documents."""
    async with _writer(place, pairs) as writer:
        return _median([await writer.job_ms() for _ in range(jobs)])


async def lone_beside_reindex(place: Place, pairs: Pairs) -> Reading:
    """The same while that index is rebuilt, from the beginning to the end of it."""
    async with _writer(place, pairs) as writer:
        await writer.job_ms()
        handle = await writer.queue.reindex(alias=writer.alias)
        try:
            times = [ms async for ms in writer.until_ended(handle)]
        finally:
            report = await handle.result(timeout=_SECONDS)
            await place.elasticsearch.indices.delete(index=report.details["new_index"])
        if len(times) < _LEAST_JOBS:
            raise NotFit(f"a reindex of {len(pairs)} documents was over after {len(times)} jobs")
        return _median(times)


@dataclass(frozen=True)
class _Writer:
    queue: IndexQueue
    alias: str
    documents: itertools.cycle[tuple[str, dict[str, object]]]

    async def job_ms(self) -> float:
        """Write one of the documents again; from enqueue to report in ms."""
        id, document = next(self.documents)
        started = time.perf_counter()
        await (await self.queue.index(index=self.alias, id=id, document=document)).result(timeout=_SECONDS)
        return (time.perf_counter() - started) * 1000

    async def until_ended(self, handle: JobHandle) -> AsyncIterator[float]:
        """One job after another, until that one has its report."""
        while await handle.report() is None:
            yield await self.job_ms()


@asynccontextmanager
async def _writer(place: Place, pairs: Pairs) -> AsyncIterator[_Writer]:
    async with (
        filled(place, pairs) as alias,
        place.queue() as name,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.worker(*WORKER, "--queue", name),
    ):
        yield _Writer(queue, alias, itertools.cycle(pairs))


def _median(times: list[float]) -> Reading:
    return Reading(statistics.median(times[int(len(times) * _LEFT_OUT) :]))
