"""The references on stock arq: its own worker, its own `enqueue_job`, a hundred gathered at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis

from jobs import IndexDocument, IndexQueue, deserialize, serialize
from settings import load
from worker.redis_client import arq_redis_settings

from ..corpus import Pairs, slices
from ..place import Place
from ..reading import Reading

STOCK_WORKER = ("arq", "benchmarks.stock.Stock", "--custom-log-dict", "benchmarks.stock.LOGGING")
_GATHERED = 100


@asynccontextmanager
async def arq_pool(place: Place, queue: str) -> AsyncIterator[ArqRedis]:
    """A producer's pool with our serializer; pickle would be a little faster and is not to be used."""
    settings = arq_redis_settings(load({"PENSTOCK_REDIS_URL": place.redis_url}))
    pool = await create_pool(
        settings, job_serializer=serialize, job_deserializer=deserialize, default_queue_name=queue
    )
    try:
        yield pool
    finally:
        await pool.aclose()


async def enqueue(pool: ArqRedis, function: str, jobs: Sequence[dict[str, Any]]) -> None:
    """As fast as a service does it with arq alone."""
    for part in slices(jobs, _GATHERED):
        await asyncio.gather(*(pool.enqueue_job(function, **job) for job in part))


async def stock_index(place: Place, pairs: Pairs) -> Reading:
    """One `es.index` a job: documents a second, from the first enqueue to the last result."""
    async with (
        place.queue() as queue,
        place.index() as index,
        place.worker(*STOCK_WORKER, PENSTOCK_QUEUE=queue) as worker,
        arq_pool(place, queue) as pool,
    ):
        first = await pool.enqueue_job("noop")
        assert first is not None
        await first.result(timeout=60, poll_delay=0.05)
        jobs = [{"index": index, "id": id, "document": document} for id, document in pairs]
        watch = place.stopwatch(workers=[worker])
        await enqueue(pool, "index_one", jobs)
        await place.until_left(queue)
        reading = watch.rate(len(pairs))
        await place.expect(index, len(pairs))
        return reading


async def enqueue_gathered(place: Place, pairs: Pairs) -> Reading:
    """Jobs a second by `enqueue_job`; nobody works on them."""
    async with place.queue() as queue, arq_pool(place, queue) as pool:
        jobs = [{"index": "bench", "id": id, "document": document} for id, document in pairs]
        watch = place.stopwatch()
        await enqueue(pool, "index", jobs)
        return watch.rate(len(pairs))


async def enqueue_many(place: Place, pairs: Pairs) -> Reading:
    """Jobs a second by `IndexQueue.enqueue_many`, making and checking the payloads included."""
    async with place.queue() as name, IndexQueue(place.redis_url, queue=name) as queue:
        watch = place.stopwatch()
        await queue.enqueue_many(IndexDocument(index="bench", id=id, document=d) for id, d in pairs)
        return watch.rate(len(pairs))
