"""Burst mode: the worker works until nothing is left, deferred and repeated jobs included, and ends."""

from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.cron import cron
from arq.worker import FailedJobs, Retry, Worker

from tests.acceptance.arq_behaviour.kinds import Kind, close, enqueue, make_worker, named, result


async def test_a_burst_ends_when_all_jobs_have_ended(pool: ArqRedis, burst: Any, prefix: str) -> None:
    ran: list[int] = []

    async def work(ctx: dict[str, Any], number: int) -> None:
        ran.append(number)

    for number in range(50):
        await enqueue(pool, "work", number)
    written = await enqueue(pool, "index", index=prefix, id="1", document={})
    worker: Worker = await burst(functions=[named(work)], max_jobs=7)

    assert sorted(ran) == list(range(50))
    assert (await result(written))["outcome"] == "created"
    assert await pool.zcard("arq:queue") == 0
    assert worker.jobs_failed == 0


async def test_a_burst_of_nothing_ends(burst: Any) -> None:
    worker: Worker = await burst()

    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (0, 0, 0)


async def test_a_burst_waits_for_deferred_jobs_and_for_further_tries(pool: ArqRedis, burst: Any) -> None:
    async def second_time(ctx: dict[str, Any]) -> int:
        if ctx["job_try"] == 1:
            raise Retry(defer=0.2)
        return int(ctx["job_try"])

    job = await enqueue(pool, "second_time", _defer_by=0.2)
    worker: Worker = await burst(functions=[named(second_time)])

    assert await result(job) == 2
    assert (worker.jobs_complete, worker.jobs_retried) == (1, 1)


async def test_jobs_that_a_burst_enqueues_are_part_of_it(pool: ArqRedis, burst: Any) -> None:
    ran: list[int] = []

    async def counts_down(ctx: dict[str, Any], number: int) -> None:
        ran.append(number)
        if number:
            await ctx["redis"].enqueue_job("counts_down", number - 1)

    await enqueue(pool, "counts_down", 5)
    await burst(functions=[named(counts_down)])

    assert ran == [5, 4, 3, 2, 1, 0]


async def test_a_cron_job_at_startup_is_part_of_a_burst(burst: Any) -> None:
    ran: list[str] = []

    async def at_startup(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    await burst(cron_jobs=[cron(at_startup, name="at_startup", hour=0, minute=0, run_at_startup=True)])

    assert len(ran) == 1
    assert ran[0].startswith("at_startup:")


@pytest.mark.parametrize("fails", [False, True])
async def test_run_check_counts_jobs_and_raises_where_one_failed(
    kind: Kind, pool: ArqRedis, settings: Any, fails: bool
) -> None:
    async def work(ctx: dict[str, Any], number: int) -> None:
        if fails and number == 1:
            raise ValueError("the reason")

    for number in range(3):
        await enqueue(pool, "work", number)
    worker = make_worker(kind, settings, burst=True, functions=[named(work)])
    try:
        if fails:
            with pytest.raises(FailedJobs, match=r"1 job failed.*the reason"):
                await worker.run_check()
        else:
            assert await worker.run_check() == 3
    finally:
        await close(worker)
