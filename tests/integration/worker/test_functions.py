"""A user's own arq functions and cron jobs beside Penstock's: retried, failed, aborted, given back."""

import asyncio
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.cron import cron
from arq.jobs import Job
from arq.worker import Function, Retry, func
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, JobStatus, Outcome, deserialize
from worker.process import PenstockWorker

SECONDS = 20.0


def named(coroutine: Any, **options: Any) -> Function:
    """A function under its plain name: arq takes the qualified one, which names the test as well."""
    return func(coroutine, name=coroutine.__name__, **options)


async def run(pool: ArqRedis, name: str, *positional: Any, **arguments: Any) -> Any:
    """Enqueue by arq and wait for the result, raised if it is a failure."""
    job = await pool.enqueue_job(name, *positional, **arguments)
    assert job is not None
    return await job.result(timeout=SECONDS, poll_delay=0.01)


async def test_a_function_runs_with_its_arguments_beside_our_jobs(
    pool: ArqRedis, start_worker: Any, queue: IndexQueue, prefix: str, report: Any
) -> None:
    async def add(ctx: dict[str, Any], first: int, *, second: int) -> dict[str, Any]:
        return {"sum": first + second, "job_id": ctx["job_id"], "try": ctx["job_try"]}

    await start_worker(functions=[named(add)])
    result = await run(pool, "add", 1, second=2, _job_id="mine")
    written = await report(await queue.index(index=prefix, id="1", document={}))

    assert result == {"sum": 3, "job_id": "mine", "try": 1}
    assert (await queue.job("mine").result()).details == {"result": result}
    assert written.outcome is Outcome.CREATED


async def test_a_function_may_enqueue_and_write_with_what_its_context_holds(
    pool: ArqRedis, start_worker: Any, prefix: str, source: Any
) -> None:
    async def pass_on(ctx: dict[str, Any]) -> str:
        job = await ctx["redis"].enqueue_job("index", index=prefix, id="1", document={"passed": "on"})
        return str(job.job_id)

    await start_worker(functions=[named(pass_on)])
    passed = Job(await run(pool, "pass_on"), pool, _deserializer=deserialize)

    assert (await passed.result(timeout=SECONDS, poll_delay=0.01))["outcome"] == "created"
    assert await source(prefix, "1") == {"passed": "on"}


async def test_retry_runs_it_again_and_counts_the_try(pool: ArqRedis, start_worker: Any) -> None:
    async def third_time(ctx: dict[str, Any]) -> int:
        if ctx["job_try"] < 3:
            raise Retry(defer=0.05)
        return int(ctx["job_try"])

    await start_worker(functions=[named(third_time)])

    assert await run(pool, "third_time") == 3


async def test_tries_run_out(pool: ArqRedis, start_worker: Any, redis: Redis) -> None:
    tries: list[int] = []

    async def never(ctx: dict[str, Any]) -> None:
        tries.append(ctx["job_try"])
        raise Retry

    await start_worker(functions=[named(never, max_tries=2)])

    with pytest.raises(JobFailed, match="max 2 retries exceeded"):
        await run(pool, "never")
    assert tries == [1, 2]
    assert await redis.keys("arq:retry:*") == []


async def test_an_error_is_a_failed_job_with_type_and_text(
    pool: ArqRedis, start_worker: Any, queue: IndexQueue
) -> None:
    async def breaks(ctx: dict[str, Any]) -> None:
        raise ValueError("the reason")

    await start_worker(functions=[named(breaks)])

    with pytest.raises(JobFailed, match="ValueError: the reason"):
        await run(pool, "breaks", _job_id="broken")
    assert await queue.job("broken").status() is JobStatus.COMPLETE


async def test_a_function_over_its_time_is_a_failed_job(pool: ArqRedis, start_worker: Any) -> None:
    async def waits(ctx: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    await start_worker(functions=[named(waits, timeout=0.1)])

    with pytest.raises(JobFailed, match="TimeoutError"):
        await run(pool, "waits")


async def test_long_functions_do_not_hold_up_the_writing_jobs(
    pool: ArqRedis, start_worker: Any, queue: IndexQueue, prefix: str, report: Any
) -> None:
    go_on = asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> str:
        await go_on.wait()
        return "went on"

    await start_worker(functions=[named(waits)], max_jobs=2)
    waiting = [await pool.enqueue_job("waits") for _ in range(5)]
    written = await report(await queue.index(index=prefix, id="1", document={}))
    go_on.set()

    assert written.outcome is Outcome.CREATED
    results = [await job.result(timeout=SECONDS, poll_delay=0.01) for job in waiting if job]
    assert results == ["went on"] * 5


async def test_a_stop_gives_a_running_function_back_without_using_up_its_try(
    pool: ArqRedis, settings: Any, start_worker: Any, redis: Redis
) -> None:
    started, tries = asyncio.Event(), []

    async def waits(ctx: dict[str, Any]) -> str:
        tries.append(ctx["job_try"])
        started.set()
        if len(tries) == 1:
            await asyncio.Event().wait()
        return "second worker"

    stopped = PenstockWorker(settings, functions=[named(waits, max_tries=1)])
    work = asyncio.create_task(stopped.async_run())
    job = await pool.enqueue_job("waits")
    assert job is not None
    await asyncio.wait_for(started.wait(), SECONDS)
    stopped.stop()
    stopped.stop()  # the second signal: no grace
    await asyncio.wait_for(work, SECONDS)
    await stopped.close()
    assert await redis.keys("arq:in-progress:*") == []

    await start_worker(functions=[named(waits, max_tries=1)])

    assert await job.result(timeout=SECONDS, poll_delay=0.01) == "second worker"
    assert tries == [1, 1]


async def test_a_running_function_can_be_aborted(pool: ArqRedis, start_worker: Any) -> None:
    started = asyncio.Event()

    async def waits(ctx: dict[str, Any]) -> None:
        started.set()
        await asyncio.Event().wait()

    await start_worker(functions=[named(waits)], allow_abort_jobs=True)
    job = await pool.enqueue_job("waits")
    assert job is not None
    await asyncio.wait_for(started.wait(), SECONDS)

    assert await job.abort(timeout=SECONDS, poll_delay=0.01)


async def test_a_cron_job_runs(
    start_worker: Any, queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, redis: Redis
) -> None:
    ran = asyncio.Event()

    async def every_second(ctx: dict[str, Any]) -> None:
        ran.set()

    await start_worker(cron_jobs=[cron(every_second, second=set(range(60)), run_at_startup=True)])

    await asyncio.wait_for(ran.wait(), SECONDS)


async def test_hooks_are_called_around_a_function(pool: ArqRedis, start_worker: Any) -> None:
    calls: list[str] = []

    def hook(name: str) -> Any:
        async def called(ctx: dict[str, Any]) -> None:
            calls.append(name)

        return called

    async def work(ctx: dict[str, Any]) -> None:
        calls.append("work")

    names = ("on_startup", "on_job_start", "on_job_end", "after_job_end")
    await start_worker(functions=[named(work)], **{name: hook(name) for name in names})
    await run(pool, "work")

    assert calls[:4] == ["on_startup", "on_job_start", "work", "on_job_end"]


async def test_our_names_are_not_to_be_taken(settings: Any) -> None:
    async def index(ctx: dict[str, Any]) -> None: ...

    with pytest.raises(ValueError, match="Penstock's own jobs: index"):
        PenstockWorker(settings, functions=[named(index)])
