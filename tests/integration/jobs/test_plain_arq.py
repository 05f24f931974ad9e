"""arq beside us: its pool enqueues the same jobs, its worker runs them, its Job reads status and result."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job
from arq.jobs import JobStatus as ArqStatus
from arq.worker import Worker, func
from redis.asyncio import Redis

from jobs import (
    IndexDocument,
    IndexQueue,
    JobFailed,
    JobHandle,
    Outcome,
    Report,
    deserialize,
    keys,
    serialize,
)
from jobs.envelope import split
from jobs.report import refusal

ARGUMENTS: dict[str, Any] = {"index": "products", "id": "42", "document": {"name": "Größe"}}
SUCCESS = Report(outcome=Outcome.CREATED, index="products", id="42", version=7)


async def same_status(handle: JobHandle, pool: ArqRedis) -> str:
    """The status, once both agree: arq cuts the clock to whole milliseconds, our scores have three more."""
    job = Job(handle.id, pool, _deserializer=deserialize)
    async with asyncio.timeout(5):
        while (ours := await handle.status()).value != (await job.status()).value:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return ours.value


async def test_a_job_of_a_plain_pool_is_ours(arq_pool: ArqRedis, queue: IndexQueue, redis: Redis) -> None:
    job = await arq_pool.enqueue_job("index", **ARGUMENTS)
    assert job is not None
    stored = split(await redis.get(keys.JOB_PREFIX + job.job_id))

    members = deserialize(stored.body)
    assert (stored.number, members["f"], members["a"]) == (None, "index", [])
    assert IndexDocument.model_validate(members["k"]) == IndexDocument(**ARGUMENTS)
    assert await same_status(queue.job(job.job_id), arq_pool) == "queued"


async def test_arq_reads_our_job_through_its_first_line(arq_pool: ArqRedis, queue: IndexQueue) -> None:
    before = time.time() - 1
    handle = await queue.index(**ARGUMENTS)

    info = await Job(handle.id, arq_pool, _deserializer=deserialize).info()
    assert info is not None
    assert (info.function, list(info.args), info.kwargs) == ("index", [], ARGUMENTS)
    assert before <= info.enqueue_time.timestamp() <= time.time() + 1
    (definition,) = await arq_pool.queued_jobs()
    assert definition.job_id == handle.id


async def test_the_status_is_arqs_in_every_state(arq_pool: ArqRedis, queue: IndexQueue, redis: Redis) -> None:
    assert await same_status(queue.job("nobody"), arq_pool) == "not_found"

    deferred = await arq_pool.enqueue_job("index", _defer_by=3_600, **ARGUMENTS)
    assert deferred is not None
    assert await same_status(queue.job(deferred.job_id), arq_pool) == "deferred"

    handle = await queue.index(**ARGUMENTS)
    assert await same_status(handle, arq_pool) == "queued"

    await redis.set(keys.IN_PROGRESS_PREFIX + handle.id, "worker")
    assert await same_status(handle, arq_pool) == "in_progress"

    await redis.set(keys.RESULT_PREFIX + handle.id, serialize({"s": True, "r": SUCCESS}))
    assert await same_status(handle, arq_pool) == "complete"


def test_the_words_are_arqs() -> None:
    from jobs import JobStatus

    assert {status.value for status in JobStatus} == {status.value for status in ArqStatus}


async def run(pool: ArqRedis, answer: Any) -> None:
    """A real arq worker, until the queue is empty: its function `index` returns, or raises, `answer`."""

    async def index(ctx: dict[Any, Any], **arguments: Any) -> Any:
        assert arguments == ARGUMENTS
        if isinstance(answer, BaseException):
            raise answer
        return answer

    worker = Worker(
        functions=[func(index, name="index")],
        redis_pool=pool,
        burst=True,
        handle_signals=False,
        poll_delay=0.01,
        job_serializer=serialize,
        job_deserializer=deserialize,
    )
    await asyncio.wait_for(worker.main(), 20)


async def test_both_read_the_report_of_a_success(arq_pool: ArqRedis, queue: IndexQueue) -> None:
    handle = await queue.index(**ARGUMENTS)

    await run(arq_pool, SUCCESS)

    assert await handle.result(timeout=5) == SUCCESS
    job = Job(handle.id, arq_pool, _deserializer=deserialize)
    assert Report.from_wire(await job.result(timeout=5)) == SUCCESS
    assert await same_status(handle, arq_pool) == "complete"


@pytest.mark.parametrize(
    "error", [JobFailed(refusal("mapper_parsing", "bad price", index="products", id="42")), ValueError("7")]
)
async def test_both_raise_the_error_of_a_failure(
    arq_pool: ArqRedis, queue: IndexQueue, error: Exception
) -> None:
    handle = await queue.index(**ARGUMENTS)

    await run(arq_pool, error)

    with pytest.raises(JobFailed) as ours:
        await handle.result(timeout=5)
    with pytest.raises(JobFailed) as arqs:
        await Job(handle.id, arq_pool, _deserializer=deserialize).result(timeout=5)
    assert ours.value == arqs.value
    assert str(ours.value) in (str(error), "ValueError: 7")


async def test_an_answer_that_json_cannot_hold_is_a_failed_job(arq_pool: ArqRedis, queue: IndexQueue) -> None:
    handle = await queue.index(**ARGUMENTS)

    await run(arq_pool, {1, 2})

    with pytest.raises(JobFailed, match="unable to serialize result"):
        await handle.result(timeout=5)
