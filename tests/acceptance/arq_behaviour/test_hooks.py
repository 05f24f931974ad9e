"""arq's hooks: when each is called, with which context, and what its failure does."""

import asyncio
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import Retry, Worker
from redis.asyncio import Redis

from jobs import JobFailed, deserialize
from tests.acceptance.arq_behaviour.kinds import SECONDS, Kind, enqueue, named, result, run
from tests.processes import until

HOOKS = ("on_startup", "on_shutdown", "on_job_start", "on_job_end", "after_job_end")


class Calls:
    """A list of what was called, in order; `hooks` are the five that write into it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def hooks(self) -> dict[str, Any]:
        return {name: self._writing(name) for name in HOOKS}

    def _writing(self, name: str) -> Any:
        async def hook(ctx: dict[str, Any]) -> None:
            self.names.append(name)

        return hook

    async def come_to(self, number: int) -> list[str]:
        """Waits for so many calls: the last hook is called after the result can be read."""
        await until(lambda: len(self.names) >= number, SECONDS, lambda: f"only {self.names}")
        return self.names


async def test_hooks_are_called_around_the_worker_and_around_each_job(
    pool: ArqRedis, kind: Kind, burst: Any
) -> None:
    calls = Calls()

    async def work(ctx: dict[str, Any]) -> None:
        calls.names.append("work")

    await enqueue(pool, "work")
    await burst(functions=[named(work)], **calls.hooks())

    assert calls.names == ["on_startup", "on_job_start", "work", "on_job_end", "after_job_end", "on_shutdown"]


async def test_hooks_are_called_around_every_try(pool: ArqRedis, burst: Any) -> None:
    calls = Calls()

    async def second_time(ctx: dict[str, Any]) -> None:
        if ctx["job_try"] == 1:
            raise Retry(defer=0.01)

    await enqueue(pool, "second_time")
    await burst(functions=[named(second_time)], **calls.hooks())

    assert calls.names[1:-1] == ["on_job_start", "on_job_end", "after_job_end"] * 2


@pytest.mark.parametrize("raised", [ValueError, TimeoutError, asyncio.CancelledError])
async def test_hooks_are_called_around_a_job_that_fails(
    pool: ArqRedis, run_worker: Any, raised: type[BaseException]
) -> None:
    calls = Calls()

    async def breaks(ctx: dict[str, Any]) -> None:
        raise raised

    await run_worker(functions=[named(breaks)], retry_jobs=False, **calls.hooks())
    job = await enqueue(pool, "breaks")
    with pytest.raises((JobFailed, asyncio.CancelledError)):
        await result(job)

    assert await calls.come_to(4) == ["on_startup", "on_job_start", "on_job_end", "after_job_end"]


async def test_hooks_are_not_called_for_a_job_that_is_never_started(pool: ArqRedis, burst: Any) -> None:
    calls = Calls()

    async def work(ctx: dict[str, Any]) -> None: ...

    aborted = await enqueue(pool, "work")
    await pool.zadd("arq:abort", {aborted.job_id: 1})
    await enqueue(pool, "work", _job_try=9)
    worker: Worker = await burst(functions=[named(work)], allow_abort_jobs=True, **calls.hooks())

    assert calls.names == ["on_startup", "on_shutdown"]
    assert worker.jobs_complete == 0


async def test_the_last_hook_is_called_when_the_result_can_be_read(
    pool: ArqRedis, run_worker: Any, redis: Redis
) -> None:
    found: list[tuple[int, int]] = []

    async def work(ctx: dict[str, Any]) -> None: ...

    async def at_end(ctx: dict[str, Any]) -> None:
        found.append(await _keys_of(redis, ctx["job_id"]))

    await run_worker(functions=[named(work)], on_job_end=at_end, after_job_end=at_end)
    await run(pool, "work")
    await until(lambda: len(found) == 2, SECONDS, lambda: f"only {found}")

    assert found == [(1, 0), (0, 1)]


async def _keys_of(redis: Redis, job_id: str) -> tuple[int, int]:
    """Whether the job, and whether its result, is stored."""
    return await redis.exists(f"arq:job:{job_id}"), await redis.exists(f"arq:result:{job_id}")


async def test_the_hooks_of_a_job_and_its_function_share_one_context(pool: ArqRedis, run_worker: Any) -> None:
    seen: list[list[str]] = []

    async def starts(ctx: dict[str, Any]) -> None:
        ctx["passed"] = ["on_job_start"]

    async def works(ctx: dict[str, Any]) -> None:
        ctx["passed"].append("function")

    async def ends(ctx: dict[str, Any]) -> None:
        ctx["passed"].append("on_job_end")

    async def after(ctx: dict[str, Any]) -> None:
        seen.append(ctx["passed"])

    hooks = {"on_job_start": starts, "on_job_end": ends, "after_job_end": after}
    worker = await run_worker(functions=[named(works)], **hooks)
    await run(pool, "works")
    await run(pool, "works")
    await until(lambda: len(seen) == 2, SECONDS, lambda: f"only {seen}")

    assert seen == [["on_job_start", "function", "on_job_end"]] * 2
    assert "passed" not in worker.ctx


async def test_what_the_start_puts_into_the_context_is_there_for_jobs_and_for_the_end(
    pool: ArqRedis, burst: Any
) -> None:
    ended: list[Any] = []

    async def starts(ctx: dict[str, Any]) -> None:
        assert await ctx["redis"].ping()
        ctx["client"] = "made at the start"

    async def reads(ctx: dict[str, Any]) -> str:
        return str(ctx["client"])

    async def ends(ctx: dict[str, Any]) -> None:
        assert await ctx["redis"].ping()
        ended.append(ctx["client"])

    job = await enqueue(pool, "reads")
    await burst(functions=[named(reads)], on_startup=starts, on_shutdown=ends)

    assert await result(job) == "made at the start"
    assert ended == ["made at the start"]


async def test_a_start_that_fails_ends_the_worker_and_calls_the_end(pool: ArqRedis, burst: Any) -> None:
    calls = Calls()

    async def fails(ctx: dict[str, Any]) -> None:
        raise ConnectionError("the service's own database is away")

    async def work(ctx: dict[str, Any]) -> None: ...

    job = await enqueue(pool, "work")
    with pytest.raises(ConnectionError, match="the service's own database is away"):
        await burst(functions=[named(work)], **(calls.hooks() | {"on_startup": fails}))

    assert calls.names == ["on_shutdown"]
    assert (await Job(job.job_id, pool, _deserializer=deserialize).status()).value == "queued"
