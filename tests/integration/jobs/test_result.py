"""Reading what became of a job: its report, its failure, or why there is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq.jobs import serialize_result
from redis.asyncio import Redis

from jobs import (
    IndexDocument,
    IndexQueue,
    JobFailed,
    JobNotFound,
    Outcome,
    Rejection,
    Report,
    ReportTimeout,
    keys,
    serialize,
)
from jobs.report import refusal

GOOD = IndexDocument(index="products", id="42", document={"name": "Tap"})
SUCCESS = Report(outcome=Outcome.CREATED, index="products", id="42", version=1_024, seq_no=0, attempts=1)
FAILURE = Report(
    outcome=Outcome.REJECTED,
    index="products",
    id="42",
    rejected=(Rejection("document_parsing_exception", "failed to parse [price]", "products", "42"),),
)


async def end(redis: Redis, id: str, result: Any, *, success: bool) -> None:
    """What a worker does at the end of a job, in arq's format."""
    raw = serialize_result(
        "index",
        (),
        GOOD.arguments(),
        1,
        1,
        success,
        result,
        2,
        3,
        "id",
        "arq:queue",
        id,
        serializer=serialize,
    )
    assert raw is not None
    async with redis.pipeline(transaction=True) as pipe:
        pipe.psetex(keys.RESULT_PREFIX + id, 60_000, raw)
        pipe.delete(keys.JOB_PREFIX + id)
        pipe.zrem(keys.DEFAULT_QUEUE, id)
        await pipe.execute()


async def test_the_report_of_a_success(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    assert await handle.report() is None

    await end(redis, handle.id, SUCCESS, success=True)

    assert await handle.result(timeout=5) == SUCCESS
    assert await handle.report() == SUCCESS
    assert await queue.job(handle.id).result() == SUCCESS
    assert b"Tap" not in await redis.get(keys.RESULT_PREFIX + handle.id)


async def test_a_failure_carries_its_report(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    await end(redis, handle.id, JobFailed(FAILURE), success=False)

    with pytest.raises(JobFailed, match=r"products/42 document_parsing_exception: failed to parse") as caught:
        await handle.result(timeout=5)
    assert caught.value.report == FAILURE
    assert await handle.report() == FAILURE


async def test_an_aborted_job_is_cancelled(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    await end(redis, handle.id, asyncio.CancelledError(), success=False)

    with pytest.raises(asyncio.CancelledError):
        await handle.result(timeout=5)
    assert await handle.report() == refusal("cancelled", "the job was aborted")


async def test_the_reports_of_many_jobs_in_their_order(redis: Redis, queue: IndexQueue) -> None:
    handles = await queue.enqueue_many([GOOD] * 3)
    await end(redis, handles[0].id, SUCCESS, success=True)
    await end(redis, handles[2].id, JobFailed(FAILURE), success=False)

    assert await queue.reports(handles) == [SUCCESS, None, FAILURE]
    assert await queue.reports([]) == []


async def test_a_result_that_comes_while_waiting(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    waiting = asyncio.create_task(handle.result())
    assert not (await asyncio.wait([waiting], timeout=0.05))[0]

    await end(redis, handle.id, SUCCESS, success=True)

    assert await asyncio.wait_for(waiting, 5) == SUCCESS


@pytest.mark.parametrize("timeout", [0, 0.05])
async def test_a_job_that_has_not_ended_in_time_goes_on(queue: IndexQueue, timeout: float) -> None:
    handle = await queue.enqueue(GOOD)

    with pytest.raises(ReportTimeout, match=f"{handle.id} has not ended within {timeout} s"):
        await handle.result(timeout=timeout)
    assert await queue.overview()


async def test_a_time_of_nothing_still_finds_what_is_there(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    await end(redis, handle.id, SUCCESS, success=True)

    assert await handle.result(timeout=0) == SUCCESS


async def test_an_unknown_job_is_not_waited_for(queue: IndexQueue) -> None:
    with pytest.raises(JobNotFound, match="nobody"):
        await asyncio.wait_for(queue.job("nobody").result(), 5)


async def test_a_job_that_vanishes_is_not_waited_for(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.enqueue(GOOD)
    waiting = asyncio.create_task(handle.result())
    assert not (await asyncio.wait([waiting], timeout=0.05))[0]

    await redis.delete(keys.JOB_PREFIX + handle.id)
    await redis.zrem(keys.DEFAULT_QUEUE, handle.id)

    with pytest.raises(JobNotFound):
        await asyncio.wait_for(waiting, 5)
