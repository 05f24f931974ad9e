"""`arq.jobs.Job.abort`, where the worker allows it: before the start, deferred, while it runs, too late."""

import asyncio
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from arq.worker import Retry
from redis.asyncio import Redis

from tests.acceptance.arq_behaviour.kinds import SECONDS, enqueue, happens, named, result, run
from tests.processes import until


async def abort(job: Job) -> bool:
    """Whether arq says that the job was aborted."""
    answer: bool = await job.abort(timeout=SECONDS, poll_delay=0.01)
    return answer


async def test_a_job_is_aborted_before_it_starts(pool: ArqRedis, run_worker: Any, redis: Redis) -> None:
    ran: list[str] = []

    async def work(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    job = await enqueue(pool, "work")
    aborting = asyncio.create_task(abort(job))
    await until(lambda: redis.zcard("arq:abort"), SECONDS, lambda: "arq asked for no abort")
    await run_worker(functions=[named(work)], allow_abort_jobs=True)

    assert await aborting
    assert ran == []
    with pytest.raises(asyncio.CancelledError):
        await result(job)
    info = await job.result_info()
    assert info is not None
    assert (info.success, info.function) == (False, "work")
    assert await redis.keys("arq:abort") == []


async def test_a_deferred_job_is_aborted_at_once(pool: ArqRedis, run_worker: Any) -> None:
    ran: list[str] = []

    async def work(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    await run_worker(functions=[named(work)], allow_abort_jobs=True)
    job = await enqueue(pool, "work", _defer_by=3600)

    assert await abort(job)
    assert ran == []
    assert await job.status() is JobStatus.complete


async def test_a_running_job_is_cancelled_and_may_clean_up(pool: ArqRedis, run_worker: Any) -> None:
    started, cleaned_up = asyncio.Event(), asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.set()

    worker = await run_worker(functions=[named(waits)], allow_abort_jobs=True)
    job = await enqueue(pool, "waits")
    await happens(started)

    assert await abort(job)
    assert cleaned_up.is_set()
    assert (worker.jobs_complete, worker.jobs_failed) == (0, 1)
    assert worker.aborting_tasks == set()


async def test_a_job_that_waits_for_its_next_try_is_aborted(pool: ArqRedis, run_worker: Any) -> None:
    raised = asyncio.Event()

    async def again(ctx: dict[str, Any]) -> None:
        raised.set()
        raise Retry(defer=3600)

    await run_worker(functions=[named(again)], allow_abort_jobs=True)
    job = await enqueue(pool, "again")
    await happens(raised)
    await until(lambda: _is_deferred(job), SECONDS, lambda: "it was not deferred")

    assert await abort(job)


async def _is_deferred(job: Job) -> bool:
    return await job.status() is JobStatus.deferred


async def test_a_job_that_ends_all_the_same_is_not_aborted(pool: ArqRedis, run_worker: Any) -> None:
    started = asyncio.Event()

    async def goes_on(ctx: dict[str, Any]) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "not to be stopped"
        raise AssertionError("unreachable")

    await run_worker(functions=[named(goes_on)], allow_abort_jobs=True)
    job = await enqueue(pool, "goes_on")
    await happens(started)

    assert not await abort(job)
    assert await result(job) == "not to be stopped"


async def test_a_job_that_has_ended_is_not_aborted(pool: ArqRedis, run_worker: Any) -> None:
    async def work(ctx: dict[str, Any]) -> str:
        return "done"

    await run_worker(functions=[named(work)], allow_abort_jobs=True)
    job = await enqueue(pool, "work")
    await result(job)

    assert not await abort(job)
    assert await result(job) == "done"


async def test_without_leave_to_abort_a_job_runs_to_its_end(
    pool: ArqRedis, run_worker: Any, redis: Redis, prefix: str
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> str:
        started.set()
        await go_on.wait()
        return "done"

    await run_worker(functions=[named(waits)])
    job = await enqueue(pool, "waits")
    await happens(started)
    aborting = asyncio.create_task(abort(job))
    await until(lambda: redis.zcard("arq:abort"), SECONDS, lambda: "arq asked for no abort")
    assert await run(pool, "index", index=prefix, id="1", document={})  # the worker goes on meanwhile
    go_on.set()

    assert not await aborting
    assert await result(job) == "done"


async def test_a_write_is_aborted_before_it_starts(
    pool: ArqRedis, run_worker: Any, redis: Redis, elasticsearch: Any, prefix: str
) -> None:
    job = await enqueue(pool, "index", index=prefix, id="1", document={"a": 1})
    aborting = asyncio.create_task(abort(job))
    await until(lambda: redis.zcard("arq:abort"), SECONDS, lambda: "arq asked for no abort")
    await run_worker(allow_abort_jobs=True)

    assert await aborting
    assert not await elasticsearch.indices.exists(index=prefix)
