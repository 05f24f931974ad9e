"""No-op jobs: what a job costs by itself.

Both workers find a backlog as `enqueue_job` writes it, with no number and no document keys.
"""

from __future__ import annotations

import time
from uuid import uuid4

from arq.jobs import serialize_job
from redis.asyncio import Redis

from jobs import keys, serialize

from ..place import NotFit, Place
from ..reading import Reading
from .penstock_jobs import WORKER
from .stock_arq import STOCK_WORKER

_JOBS_PER_PIPELINE = 1000
_DAY_MS = 86_400_000


async def stock_no_op(place: Place, jobs: int) -> Reading:
    """Jobs a second of arq's own worker."""
    async with place.queue() as queue:
        await _fill(place.redis, queue, jobs)
        async with place.worker(*STOCK_WORKER, PENSTOCK_QUEUE=queue) as worker:
            return await _drained(place, queue, jobs, worker)


async def penstock_no_op(place: Place, jobs: int) -> Reading:
    """The same function under Penstock's worker, beside its own jobs."""
    async with place.queue() as queue:
        await _fill(place.redis, queue, jobs)
        async with place.worker(*WORKER, "benchmarks.stock.NoOp", "--queue", queue) as worker:
            return await _drained(place, queue, jobs, worker)


async def _drained(place: Place, queue: str, jobs: int, worker: int) -> Reading:
    """The clock runs from the first jobs that end: starting a process is not measured."""
    left = await place.until_left(queue, jobs - 1)
    if left == 0:
        raise NotFit(f"{jobs} no-op jobs end all at once: take more documents")
    watch = place.stopwatch(workers=[worker])
    await place.until_left(queue)
    return watch.rate(left)


async def _fill(redis: Redis, queue: str, jobs: int) -> None:
    """What `enqueue_job` leaves in Redis, in pipelines: this is not measured and need not be slow."""
    now = int(time.time() * 1000)
    body = serialize_job("noop", (), {"n": 1}, None, now, serializer=serialize)
    for start in range(0, jobs, _JOBS_PER_PIPELINE):
        async with redis.pipeline(transaction=False) as pipeline:
            for _ in range(min(_JOBS_PER_PIPELINE, jobs - start)):
                id = uuid4().hex
                pipeline.psetex(keys.JOB_PREFIX + id, _DAY_MS, body)
                pipeline.zadd(queue, {id: now})
            await pipeline.execute()
