"""A worker's side of Redis for tests, without a process: enqueue, claim, finish, release, a line each."""

import asyncio
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from jobs import IndexQueue, JobHandle
from worker.backoff import Backoff
from worker.cancelling import end_tasks
from worker.claims import Claimed, Claims
from worker.finisher import Bounds, Ended, Finisher, How
from worker.touches import Touches

MEGABYTE = 1_048_576


async def enqueue(queue: IndexQueue, *documents: str) -> list[JobHandle]:
    """One job for each document id, in order."""
    return [await queue.index(index="products", id=id, document={"id": id}) for id in documents]


async def claim(
    claims: Claims, jobs: int = 100, max_bytes: int = MEGABYTE, functions: int = 100
) -> list[Claimed]:
    """One claim."""
    return (await claims.claim(jobs, max_bytes, functions)).jobs


async def claim_suspects(claims: Claims, jobs: int = 4000, max_bytes: int = MEGABYTE) -> list[Claimed]:
    """One claim of suspects."""
    return (await claims.claim_suspects(jobs, max_bytes)).jobs


def ids(jobs: Sequence[Claimed] | Sequence[JobHandle]) -> list[str]:
    """Job ids as text."""
    return [job.id.decode() if isinstance(job.id, bytes) else job.id for job in jobs]


async def finish(
    redis: Redis,
    claims: Claims,
    jobs: Sequence[Claimed],
    result: bytes = b"{}",
    *,
    touched: Callable[[Claimed], Touches] = lambda job: (),
) -> None:
    """End jobs as successes by the worker's own finisher; `touched` says what each leaves for a reindex."""
    backoff = Backoff(0.1, 1.0, lambda: 1.0)
    let_go: list[bytes] = []
    finisher = Finisher(
        redis,
        "arq:queue",
        claims,
        backoff,
        let_go.append,
        bounds=Bounds(60_000, 90_000, 100, 60_000, 1_000_000),
    )
    for job in jobs:
        finisher.add(Ended(job.id, job.document_keys, result, How.SUCCESS, touches=touched(job)))
    storing = asyncio.create_task(finisher.run())
    await asyncio.wait_for(finisher.flushed(), 10)
    await end_tasks([storing])
    assert let_go == [job.id for job in jobs]


async def release(claims: Claims, jobs: Sequence[Claimed], score: float | None = None) -> int:
    """Give jobs back."""
    return await claims.release([(job.id, job.document_keys, score) for job in jobs])


async def die(redis: Redis, dead: Claims, other: Claims) -> int:
    """End a worker's lease; the number of jobs that the other one took from it."""
    await redis.delete(f"penstock:arq:queue:worker:{dead.worker}")
    return (await other.reap()).get(dead.worker, 0)


async def deaths(redis: Redis, handle: JobHandle) -> int:
    """How many workers have died while they held a job; where one was alone in that, 4 at least."""
    return int(await redis.hget("penstock:arq:queue:suspects", handle.id) or 0)


async def everything_is_free(redis: Redis) -> bool:
    """Whether no job is claimed or aside, and no document held."""
    patterns = ("arq:in-progress:*", "penstock:*:claimed:*", "penstock:*:aside*", "penstock:*:accused")
    found = [await redis.keys(pattern) for pattern in patterns]
    return not any(found) and not await redis.exists("penstock:arq:queue:holders")
