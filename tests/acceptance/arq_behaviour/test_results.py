"""What `arq.jobs.Job` and arq's pool tell of a job: status, info, result, from the enqueue to the end."""

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobDef, JobResult, JobStatus, ResultNotFound
from redis.asyncio import Redis

from jobs import JobFailed, deserialize
from tests.acceptance.arq_behaviour.kinds import enqueue, happens, named, result, run


async def echo(ctx: dict[str, Any], *positional: Any, **arguments: Any) -> Any:
    return [list(positional), arguments]


async def breaks(ctx: dict[str, Any], *positional: Any) -> None:
    raise ValueError("the reason")


async def test_the_status_follows_a_job_from_the_enqueue_to_the_end(
    pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> None:
        started.set()
        await go_on.wait()

    deferred = await enqueue(pool, "waits", _defer_by=60)
    job = await enqueue(pool, "waits")
    assert await deferred.status() is JobStatus.deferred
    assert await job.status() is JobStatus.queued

    await run_worker(functions=[named(waits)])
    await happens(started)
    assert await job.status() is JobStatus.in_progress

    go_on.set()
    await result(job)
    assert await job.status() is JobStatus.complete

    await redis.delete(f"arq:result:{job.job_id}")
    assert await job.status() is JobStatus.not_found


async def test_info_tells_what_was_enqueued_until_it_has_ended(pool: ArqRedis, run_worker: Any) -> None:
    job = await enqueue(pool, "echo", 1, two=2)
    waiting = await job.info()
    assert await job.result_info() is None

    await run_worker(functions=[named(echo)])
    await result(job)
    ended = await job.info()

    assert type(waiting) is JobDef
    assert (waiting.function, list(waiting.args), waiting.kwargs) == ("echo", [1], {"two": 2})
    assert waiting.score == int(waiting.enqueue_time.timestamp() * 1000 + 0.5)
    assert type(ended) is JobResult
    assert (ended.score, ended.enqueue_time) == (None, waiting.enqueue_time)


@pytest.mark.parametrize("name", ["echo", "breaks"])
async def test_result_info_tells_how_a_job_ended(pool: ArqRedis, run_worker: Any, name: str) -> None:
    await run_worker(functions=[named(echo), named(breaks)])
    job = await enqueue(pool, name, 1, _job_id="mine")
    with pytest.raises(JobFailed) if name == "breaks" else nullcontext():
        await result(job)

    info = await job.result_info()

    assert info is not None
    assert (info.function, info.job_id, info.queue_name, info.job_try) == (name, "mine", "arq:queue", 1)
    # Our serializer leaves the arguments out of a result: a document would be stored twice.
    assert (list(info.args), info.kwargs) == ([], {})
    assert info.enqueue_time <= info.start_time <= info.finish_time
    assert info.success is (name == "echo")
    assert info.result == [[1], {}] if info.success else isinstance(info.result, JobFailed)


async def test_a_failure_is_raised_by_result_with_its_reason(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(breaks)])

    with pytest.raises(JobFailed, match="ValueError: the reason"):
        await run(pool, "breaks")


async def test_a_job_that_was_never_enqueued_is_not_found(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(echo)])
    unknown = Job("never-enqueued", pool, _deserializer=deserialize)

    with pytest.raises(ResultNotFound):
        await result(unknown)
    assert await unknown.status() is JobStatus.not_found
    assert await unknown.info() is None


async def test_result_waits_no_longer_than_it_is_told(pool: ArqRedis, run_worker: Any) -> None:
    await run_worker(functions=[named(echo)])
    job = await enqueue(pool, "echo", _defer_by=60)

    with pytest.raises(TimeoutError):
        await job.result(timeout=0.05, poll_delay=0.01)


async def test_the_pool_lists_what_waits_and_what_has_ended(pool: ArqRedis, run_worker: Any) -> None:
    await enqueue(pool, "echo", 1, _job_id="waits", _defer_by=3600)
    await run_worker(functions=[named(echo)])
    await run(pool, "echo", 2, _job_id="ended")

    waiting, ended = await pool.queued_jobs(), await pool.all_job_results()

    assert [(job.job_id, job.function, list(job.args)) for job in waiting] == [("waits", "echo", [1])]
    assert [(job.job_id, job.function, job.result) for job in ended] == [("ended", "echo", [[2], {}])]


async def test_results_of_writes_are_read_in_the_same_way(
    pool: ArqRedis, run_worker: Any, prefix: str
) -> None:
    await run_worker()
    written = await enqueue(pool, "index", index=prefix, id="1", document={"a": 1})
    failed = await enqueue(pool, "update", index=prefix, id="none", doc={})

    report = await result(written)
    info = await written.result_info()
    with pytest.raises(JobFailed, match=f"{prefix}/none document_missing_exception"):
        await result(failed)

    assert (report["outcome"], report["index"], report["id"]) == ("created", prefix, "1")
    assert info is not None
    assert (info.success, info.function, info.result) == (True, "index", report)
    assert await failed.status() is JobStatus.complete
