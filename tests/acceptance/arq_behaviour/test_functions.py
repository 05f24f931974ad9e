"""How arq runs a function: context, tries, time limit, results kept, how many at a time."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from arq.worker import Retry, RetryJob
from redis.asyncio import Redis

from jobs import JobFailed, deserialize
from tests.acceptance.arq_behaviour.kinds import SECONDS, Kind, enqueue, happens, named, result, run
from tests.processes import until


async def failure_of(pool: ArqRedis, name: str, **options: Any) -> tuple[str, str]:
    """Type and reason with which a job fails."""
    with pytest.raises(JobFailed) as failed:
        await run(pool, name, **options)
    (action,) = failed.value.report.rejected
    return action.type, action.reason


async def test_a_function_is_told_which_job_it_runs(pool: ArqRedis, run_worker: Any) -> None:
    async def told(ctx: dict[str, Any]) -> dict[str, Any]:
        found = {name: ctx[name] for name in ("job_id", "job_try", "score", "of_the_service")}
        return found | {"enqueued": ctx["enqueue_time"].timestamp()}

    await run_worker(functions=[named(told)], ctx={"of_the_service": 1})
    before = time.time()
    found = await run(pool, "told", _job_id="mine")

    enqueued, score = found.pop("enqueued"), found.pop("score") / 1000
    assert found == {"job_id": "mine", "job_try": 1, "of_the_service": 1}
    assert before - 0.001 <= enqueued <= time.time()
    assert abs(score - enqueued) < 0.0015


async def test_a_function_enqueues_by_the_pool_in_its_context(pool: ArqRedis, run_worker: Any) -> None:
    async def second(ctx: dict[str, Any]) -> str:
        return "second"

    async def first(ctx: dict[str, Any]) -> str:
        job = await ctx["redis"].enqueue_job("second", _job_id="of-first")
        return str(job.job_id)

    await run_worker(functions=[named(first), named(second)])
    assert await run(pool, "first") == "of-first"

    assert await result(Job("of-first", pool, _deserializer=deserialize)) == "second"


async def test_retry_runs_it_again_with_the_next_try(pool: ArqRedis, run_worker: Any, redis: Redis) -> None:
    tries: list[int] = []

    async def third_time(ctx: dict[str, Any]) -> str:
        tries.append(ctx["job_try"])
        if ctx["job_try"] < 3:
            raise Retry(defer=0.01)
        return "done"

    worker = await run_worker(functions=[named(third_time)])

    assert await run(pool, "third_time") == "done"
    assert tries == [1, 2, 3]
    assert await redis.keys("arq:retry:*") == []
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (1, 2, 0)


async def test_a_retry_waits_for_as_long_as_it_says(pool: ArqRedis, run_worker: Any) -> None:
    raised: list[float] = []

    async def second_time(ctx: dict[str, Any]) -> float:
        if ctx["job_try"] == 1:
            raised.append(time.time())
            raise Retry(defer=0.3)
        return time.time()

    await run_worker(functions=[named(second_time)])
    job = await enqueue(pool, "second_time")
    await until(lambda: _has_status(job, JobStatus.deferred), SECONDS, lambda: "it was not deferred")

    assert await result(job) >= raised[0] + 0.299


async def _has_status(job: Any, status: JobStatus) -> bool:
    return await job.status() is status


@pytest.mark.parametrize(("of_function", "of_worker", "expected"), [(2, 5, 2), (None, 3, 3)])
@pytest.mark.parametrize("again", [Retry, RetryJob, asyncio.CancelledError])
async def test_tries_run_out(
    pool: ArqRedis, run_worker: Any, of_function: int | None, of_worker: int, expected: int, again: Any
) -> None:
    tries: list[int] = []

    async def never(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        raise again

    await run_worker(functions=[named(never, max_tries=of_function)], max_tries=of_worker)

    assert (await failure_of(pool, "never"))[1] == f"max {expected} retries exceeded"
    assert tries == list(range(1, expected + 1))


async def test_without_retries_a_retry_is_a_failure(pool: ArqRedis, run_worker: Any) -> None:
    async def again(ctx: dict[str, Any]) -> None:
        raise Retry

    await run_worker(functions=[named(again)], retry_jobs=False)

    assert (await failure_of(pool, "again"))[0] == "Retry"


async def test_any_other_error_is_final_on_the_first_try(pool: ArqRedis, run_worker: Any) -> None:
    tries: list[int] = []

    async def breaks(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        raise ValueError("the reason")

    worker = await run_worker(functions=[named(breaks)])

    assert await failure_of(pool, "breaks") == ("ValueError", "the reason")
    assert tries == [1]
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (0, 0, 1)


@pytest.mark.parametrize("of_function", [True, False])
async def test_a_function_over_its_time_is_cancelled_and_fails_on_the_first_try(
    pool: ArqRedis, run_worker: Any, of_function: bool
) -> None:
    tries: list[int] = []
    cleaned_up = asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    limits: dict[str, Any] = {"timeout": 0.1} if of_function else {}
    await run_worker(functions=[named(waits, **limits)], job_timeout=300 if of_function else 0.1)

    assert (await failure_of(pool, "waits"))[0] == "TimeoutError"
    assert cleaned_up.is_set()
    assert tries == [1]


async def test_no_more_functions_run_at_a_time_than_max_jobs(pool: ArqRedis, run_worker: Any) -> None:
    running: set[str] = set()
    full, go_on = asyncio.Event(), asyncio.Event()
    most = 0

    async def holds(ctx: dict[str, Any]) -> None:
        nonlocal most
        running.add(ctx["job_id"])
        most = max(most, len(running))
        if len(running) == 3:
            full.set()
        await go_on.wait()
        running.remove(ctx["job_id"])

    await run_worker(functions=[named(holds)], max_jobs=3)
    jobs = [await enqueue(pool, "holds") for _ in range(9)]
    await happens(full)
    go_on.set()
    for job in jobs:
        await result(job)

    assert most == 3


async def test_how_long_a_result_is_kept_is_the_functions_to_say(
    pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    async def as_others(ctx: dict[str, Any]) -> None: ...

    async def shortly(ctx: dict[str, Any]) -> None: ...

    async def for_ever(ctx: dict[str, Any]) -> None: ...

    kept = [named(as_others), named(shortly, keep_result=30), named(for_ever, keep_result_forever=True)]
    await run_worker(functions=kept)
    for function in kept:
        await run(pool, function.name, _job_id=function.name)

    assert 590 < await redis.ttl("arq:result:as_others") <= 600
    assert 20 < await redis.ttl("arq:result:shortly") <= 30
    assert await redis.ttl("arq:result:for_ever") == -1


async def test_a_result_that_is_not_to_be_kept_is_not(pool: ArqRedis, run_worker: Any) -> None:
    async def untold(ctx: dict[str, Any]) -> str:
        return "nobody reads it"

    await run_worker(functions=[named(untold, keep_result=0)])
    job = await enqueue(pool, "untold")

    await until(lambda: _has_status(job, JobStatus.not_found), SECONDS, lambda: "it is still there")


async def test_a_result_that_can_not_be_stored_is_a_failure(
    kind: Kind, pool: ArqRedis, run_worker: Any
) -> None:
    async def gives_a_moment(ctx: dict[str, Any]) -> datetime:
        return datetime.now(UTC)

    worker = await run_worker(functions=[named(gives_a_moment)])

    expected = {
        Kind.STOCK: ("unknown", "unable to serialize result"),
        Kind.PENSTOCK: (
            "SerializationError",
            "JSON can't hold the result: Object of type datetime is not JSON serializable",
        ),
    }
    assert await failure_of(pool, "gives_a_moment") == expected[kind]
    # arq counts it as complete all the same.
    assert worker.jobs_failed == (kind is Kind.PENSTOCK)
