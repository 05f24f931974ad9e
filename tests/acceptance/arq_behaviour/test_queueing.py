"""How arq's producers queue jobs: arguments, deferral, ids, tries, expiry, other queues."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import JobStatus
from arq.worker import Retry
from redis.asyncio import Redis

from jobs import JobFailed
from tests.acceptance.arq_behaviour.kinds import SECONDS, Kind, enqueue, happens, named, result, run
from tests.processes import until


async def echo(ctx: dict[str, Any], *positional: Any, **arguments: Any) -> Any:
    return [list(positional), arguments]


async def when(ctx: dict[str, Any]) -> float:
    return time.time()


async def test_the_arguments_of_a_plain_producer_arrive(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(echo)])

    assert await run(pool, "echo") == [[], {}]
    assert await run(pool, "echo", 1, "two", three=[3], four=None) == [
        [1, "two"],
        {"three": [3], "four": None},
    ]


async def test_our_jobs_and_custom_functions_run_beside_each_other(
    pool: ArqRedis, run_worker: Any, prefix: str
) -> None:
    await run_worker(functions=[named(echo)])

    mine = await enqueue(pool, "echo", 1)
    written = await enqueue(pool, "index", index=prefix, id="1", document={"a": 1})

    assert await result(mine) == [[1], {}]
    assert (await result(written))["outcome"] == "created"


@pytest.mark.parametrize("as_seconds", [True, False])
async def test_a_job_deferred_by_a_time_does_not_run_before_it(
    pool: ArqRedis, run_worker: Any, as_seconds: bool
) -> None:
    await run_worker(functions=[named(when)])
    enqueued = time.time()

    job = await enqueue(pool, "when", _defer_by=0.3 if as_seconds else timedelta(seconds=0.3))

    assert await job.status() is JobStatus.deferred
    assert await run(pool, "when") < enqueued + 0.3
    # arq rounds the moment to a millisecond.
    assert await result(job) >= enqueued + 0.299


async def test_a_job_deferred_until_a_moment_does_not_run_before_it(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(when)])
    due = datetime.now(UTC) + timedelta(seconds=0.3)

    job = await enqueue(pool, "when", _defer_until=due)

    assert await job.status() is JobStatus.deferred
    assert await result(job) >= due.timestamp() - 0.001


async def test_jobs_start_in_the_order_in_which_they_are_due(pool: ArqRedis, run_worker: Any) -> None:
    order: list[int] = []

    async def note(ctx: dict[str, Any], number: int) -> None:
        order.append(number)

    now = datetime.now(UTC)
    jobs = [
        await enqueue(pool, "note", n, _defer_until=now - timedelta(seconds=n)) for n in (3, 7, 1, 5, 9, 2)
    ]
    await run_worker(functions=[named(note)], max_jobs=1)
    for job in jobs:
        await result(job)

    assert order == [9, 7, 5, 3, 2, 1]


async def test_a_job_id_is_known_while_its_job_waits_runs_and_has_a_result(
    pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def holds(ctx: dict[str, Any]) -> str:
        started.set()
        await go_on.wait()
        return str(ctx["job_id"])

    job = await enqueue(pool, "holds", _job_id="mine")
    assert await pool.enqueue_job("holds", _job_id="mine") is None

    await run_worker(functions=[named(holds)])
    await happens(started)
    assert await pool.enqueue_job("holds", _job_id="mine") is None

    go_on.set()
    assert await result(job) == "mine"
    assert await pool.enqueue_job("holds", _job_id="mine") is None

    await redis.delete("arq:result:mine")
    assert await run(pool, "holds", _job_id="mine") == "mine"


async def test_a_job_begins_with_the_try_that_its_producer_names_and_counts_on(
    pool: ArqRedis, run_worker: Any
) -> None:
    tries: list[int] = []

    async def third_time(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        if len(tries) < 3:
            raise Retry

    await run_worker(functions=[named(third_time)])
    await run(pool, "third_time", _job_try=3)

    assert tries == [3, 4, 5]


async def test_a_job_that_begins_beyond_its_tries_is_never_started(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(echo, max_tries=2)])

    with pytest.raises(JobFailed, match="max 2 retries exceeded"):
        await run(pool, "echo", _job_try=3)


async def test_a_job_that_expires_before_a_worker_sees_it_fails(
    kind: Kind, pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    job = await enqueue(pool, "echo", _expires=0.02)
    await until(lambda: _gone(redis, job.job_id), SECONDS, lambda: "the job did not expire")

    await run_worker(functions=[named(echo)])

    with pytest.raises(JobFailed) as failed:
        await result(job)
    expected = {Kind.STOCK: "JobExecutionFailed", Kind.PENSTOCK: "payload_missing"}
    assert failed.value.report.rejected[0].type == expected[kind]


async def _gone(redis: Redis, job_id: str) -> bool:
    return not await redis.exists(f"arq:job:{job_id}")


async def test_a_worker_takes_the_jobs_of_its_own_queue(
    pool: ArqRedis, run_worker: Any, settings: Any
) -> None:
    other = settings.model_copy(update={"queue": "other"})
    stays = await enqueue(pool, "echo", 1)
    runs = await enqueue(pool, "echo", 2, _queue_name="other")

    await run_worker(settings=other, functions=[named(echo)])

    assert await result(runs) == [[2], {}]
    assert await stays.status() is JobStatus.queued
