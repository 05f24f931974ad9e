"""Where Penstock differs from arq on purpose: docs/arq.md has the same list. Each test shows both."""

import asyncio
import logging
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from arq.worker import Worker
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed
from tests.acceptance.arq_behaviour.kinds import (
    SECONDS,
    Kind,
    close,
    enqueue,
    happens,
    make_worker,
    named,
    result,
    run,
)
from tests.processes import until
from worker.cancelling import end_tasks
from worker.process import PenstockWorker


async def breaks(ctx: dict[str, Any]) -> None:
    raise ValueError("the reason")


async def test_failures_are_kept_longer_than_successes(
    kind: Kind, pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    await run_worker(functions=[named(breaks)])
    with pytest.raises(JobFailed):
        await run(pool, "breaks", _job_id="broken")

    kept = {Kind.STOCK: 600, Kind.PENSTOCK: 86_400}[kind]
    assert kept - 10 < await redis.ttl("arq:result:broken") <= kept


async def test_a_failure_is_kept_where_a_success_would_not_be(
    kind: Kind, pool: ArqRedis, burst: Any, redis: Redis
) -> None:
    await enqueue(pool, "breaks", _job_id="broken")
    await burst(functions=[named(breaks, keep_result=0)])

    assert await redis.exists("arq:result:broken") == (kind is Kind.PENSTOCK)


async def test_hooks_are_not_called_for_the_jobs_that_write(
    kind: Kind, pool: ArqRedis, burst: Any, prefix: str
) -> None:
    calls: list[str] = []

    async def hook(ctx: dict[str, Any]) -> None:
        calls.append(ctx["job_id"])

    await enqueue(pool, "index", index=prefix, id="1", document={}, _job_id="write")
    await burst(on_job_start=hook, on_job_end=hook, after_job_end=hook)

    assert calls == {Kind.STOCK: ["write"] * 3, Kind.PENSTOCK: []}[kind]


async def test_a_stop_uses_up_no_try(kind: Kind, pool: ArqRedis, settings: Any, redis: Redis) -> None:
    tries: list[int] = []
    started = asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        started.set()
        await asyncio.Event().wait()

    await enqueue(pool, "waits")
    for _ in range(2):
        started.clear()
        worker = make_worker(kind, settings, functions=[named(waits)])
        work = asyncio.create_task(worker.async_run())
        await happens(started)
        await _end_at_once(worker, work)

    assert tries == {Kind.STOCK: [1, 2], Kind.PENSTOCK: [1, 1]}[kind]
    assert await redis.zcard("arq:queue") == 1
    assert await redis.keys("arq:in-progress:*") == []


async def _end_at_once(worker: Worker, work: asyncio.Task[None]) -> None:
    """As a second signal does: nothing is waited for."""
    if isinstance(worker, PenstockWorker):
        worker.stop()
        worker.stop()
        await asyncio.wait_for(work, SECONDS)
    await end_tasks([work])
    await close(worker)


async def _end_failed(worker: Worker) -> None:
    """arq's `close` would raise what a job's task has raised once more."""
    tasks = list(worker.tasks.values())
    await asyncio.gather(*tasks, return_exceptions=True)
    worker.tasks.clear()
    await close(worker)


@pytest.mark.parametrize("hook", ["on_job_start", "on_job_end"])
async def test_a_hook_that_fails_fails_its_job_and_not_the_worker(
    kind: Kind, pool: ArqRedis, settings: Any, hook: str
) -> None:
    async def fails(ctx: dict[str, Any]) -> None:
        raise ValueError("the hook's reason")

    async def work(ctx: dict[str, Any]) -> str:
        return "done"

    job = await enqueue(pool, "work")
    worker = make_worker(kind, settings, burst=True, functions=[named(work)], **{hook: fails})
    try:
        match kind:
            case Kind.STOCK:
                with pytest.raises(ValueError, match="the hook's reason"):
                    await asyncio.wait_for(worker.async_run(), SECONDS)
            case Kind.PENSTOCK:
                await asyncio.wait_for(worker.async_run(), SECONDS)
                with pytest.raises(JobFailed, match="ValueError: the hook's reason"):
                    await result(job)
    finally:
        await _end_failed(worker)


async def test_the_last_hook_that_fails_leaves_job_and_worker_alone(
    kind: Kind, pool: ArqRedis, settings: Any
) -> None:
    async def fails(ctx: dict[str, Any]) -> None:
        raise ValueError("the hook's reason")

    async def work(ctx: dict[str, Any]) -> str:
        return "done"

    jobs = [await enqueue(pool, "work") for _ in range(3)]
    worker = make_worker(kind, settings, burst=True, functions=[named(work)], after_job_end=fails, max_jobs=1)
    try:
        match kind:
            case Kind.STOCK:
                with pytest.raises(ValueError, match="the hook's reason"):
                    await asyncio.wait_for(worker.async_run(), SECONDS)
            case Kind.PENSTOCK:
                await asyncio.wait_for(worker.async_run(), SECONDS)
                assert [await result(job) for job in jobs] == ["done"] * 3
    finally:
        await _end_failed(worker)


async def test_arguments_and_results_are_not_logged(
    kind: Kind, pool: ArqRedis, burst: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def repeats(ctx: dict[str, Any], text: str) -> str:
        return f"{text}, {text}"

    with caplog.at_level(logging.DEBUG):
        job = await enqueue(pool, "repeats", "private")
        await burst(functions=[named(repeats)])

    assert await result(job) == "private, private"
    assert any("private" in record.getMessage() for record in caplog.records) == (kind is Kind.STOCK)


async def test_the_health_key_outlives_the_worker_that_ends_first(
    kind: Kind, burst: Any, redis: Redis
) -> None:
    await burst()

    assert await redis.exists("arq:queue:health-check") == (kind is Kind.PENSTOCK)


async def test_a_function_that_waits_for_a_slot_is_deferred_to_arq_and_queued_to_us(
    kind: Kind, pool: ArqRedis, queue: IndexQueue, run_worker: Any, redis: Redis
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def holds(ctx: dict[str, Any]) -> None:
        started.set()
        await go_on.wait()

    await run_worker(functions=[named(holds)], max_jobs=1)
    first = await enqueue(pool, "holds")
    await happens(started)
    second = await enqueue(pool, "holds")
    expected = {Kind.STOCK: JobStatus.queued, Kind.PENSTOCK: JobStatus.deferred}[kind]
    await until(lambda: _has_status(second, expected), SECONDS, lambda: f"it is not {expected}")

    assert (await queue.job(second.job_id).status()).value == "queued"
    go_on.set()
    await result(first)
    await result(second)


async def _has_status(job: Job, status: JobStatus) -> bool:
    return await job.status() is status
