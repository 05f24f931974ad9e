"""Documents through Penstock: the clock runs from the first enqueue to the last report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jobs import BulkWrite, IndexDocument, IndexQueue
from jobs.keys import workers
from jobs.models import Payload

from ..corpus import Pairs, slices
from ..place import Place
from ..reading import Reading

WORKER = ("penstock", "worker")


@dataclass(frozen=True)
class Scene:
    """A worker that has done its first job, the producer's queue, and the index they write to."""

    place: Place
    index: str
    name: str
    queue: IndexQueue
    worker: int

    async def measured(self, payloads: Iterable[Payload], documents: int) -> Reading:
        """Enqueue all, wait for the last report. Documents a second."""
        watch = self.place.stopwatch(workers=[self.worker])
        await self.queue.enqueue_many(payloads)
        await self.place.until_left(self.name)
        reading = watch.rate(documents)
        await self.place.expect(self.index, documents + 1)
        return reading


@asynccontextmanager
async def scene(place: Place, processes: int = 1) -> AsyncIterator[Scene]:
    """One document is in the index already, by the job that shows that the worker is there."""
    async with (
        place.queue() as name,
        place.index() as index,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.worker(*WORKER, "--queue", name, "--processes", str(processes)) as worker,
    ):
        await (await queue.index(index=index, id="first", document={"name": "first"})).result(timeout=60)
        await place.until_members(workers(name), processes)
        yield Scene(place, index, name, queue, worker)


async def single_jobs(place: Place, pairs: Pairs, processes: int = 1) -> Reading:
    """One job a document."""
    async with scene(place, processes) as there:
        jobs = (IndexDocument(index=there.index, id=id, document=document) for id, document in pairs)
        return await there.measured(jobs, len(pairs))


async def bulk_jobs(place: Place, pairs: Pairs, size: int) -> Reading:
    """Jobs of `size` documents."""
    async with scene(place) as there:
        jobs = (_bulk(there.index, part) for part in slices(pairs, size))
        return await there.measured(jobs, len(pairs))


def _bulk(index: str, pairs: Pairs) -> BulkWrite:
    actions = tuple(IndexDocument(index=index, id=id, document=document) for id, document in pairs)
    return BulkWrite(index=index, actions=actions)
