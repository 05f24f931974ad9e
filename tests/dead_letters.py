"""Burying jobs without a worker, as its finish script does: by `bury`, in a script of the tests' own."""

from __future__ import annotations

import json
from typing import Any

from redis.asyncio import Redis

from jobs import DeadKind, IndexQueue, JobHandle, Outcome, Rejection, Report, keys
from worker.scripts import burying

QUEUE = keys.DEFAULT_QUEUE
DEAD = keys.dead_letters(QUEUE)
DAY_MS = 86_400_000

# A job's end as far as it matters here: it leaves the queue.
SCRIPT = burying() + "redis.call('ZREM', KEYS[2], ARGV[1])\nreturn bury(KEYS[1], unpack(ARGV))"


async def bury(
    redis: Redis,
    job: JobHandle | str | bytes,
    report: Report | None = None,
    *,
    kind: DeadKind = DeadKind.REJECTED,
    name: str = "index",
    died_ms: float | None = None,
    tries: int = 1,
    most: int = 10_000,
    ttl_ms: int = DAY_MS,
    most_bytes: int | None = None,
) -> int:
    """Bury one job that was enqueued; how many letters were dropped to make room."""
    if died_ms is None:
        seconds, microseconds = await redis.time()
        died_ms = seconds * 1000 + microseconds / 1000
    id = job.id if isinstance(job, JobHandle) else job
    wire = json.dumps((report or rejected()).to_wire())
    arguments: list[Any] = [id, str(kind), name, wire, died_ms, tries, most, ttl_ms]
    if most_bytes is not None:
        arguments.append(most_bytes)
    dropped = await redis.register_script(SCRIPT)(keys=[DEAD, QUEUE], args=arguments)
    return int(dropped)


def rejected(
    type: str = "document_parsing_exception",
    *positions: int,
    index: str = "products",
    id: str = "42",
    reason: str = "failed to parse field [price]",
) -> Report:
    """The report of a job with a rejected action; of a bulk where positions are given."""
    rejections = tuple(Rejection(type, reason, index, id, position) for position in positions or (0,))
    counts = {"created": 1, "rejected": len(rejections)} if positions else {}
    return Report(outcome=Outcome.REJECTED, index=index, counts=counts, rejected=rejections)


async def dead_index(redis: Redis, queue: IndexQueue, id: str = "42", **options: Any) -> JobHandle:
    """A job that was enqueued and is dead now."""
    handle = await queue.index(index="products", id=id, document={"price": 12})
    await bury(redis, handle, **options)
    return handle
