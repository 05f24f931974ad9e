"""arq's cron jobs: at their times, at startup, once among several workers."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from arq.connections import ArqRedis
from arq.cron import cron
from redis.asyncio import Redis

from tests.acceptance.arq_behaviour.kinds import SECONDS, enqueue, happens, named, result
from tests.processes import until

EVERY_SECOND = set(range(60))


async def test_a_cron_job_runs_at_its_times_with_a_jobs_context(run_worker: Any, redis: Redis) -> None:
    ran: list[tuple[str, datetime]] = []
    thrice = asyncio.Event()

    async def every_second(ctx: dict[str, Any]) -> None:
        ran.append((ctx["job_id"], datetime.now(UTC)))
        if len(ran) == 3:
            thrice.set()

    await run_worker(cron_jobs=[cron(every_second, name="every_second", second=EVERY_SECOND, microsecond=0)])
    await happens(thrice)

    planned = [datetime.fromtimestamp(int(job_id.partition(":")[2]) / 1000, UTC) for job_id, _ in ran]
    pauses = {later - earlier for earlier, later in itertools.pairwise(planned)}
    assert pauses == {timedelta(seconds=1)}
    late = [moment - due for (_, moment), due in zip(ran, planned, strict=True)]
    # arq enqueues it in its last second before its time; it may be due half a millisecond early.
    assert all(timedelta(milliseconds=-1) <= pause < timedelta(seconds=5) for pause in late)
    assert await redis.keys("arq:result:every_second*") == []


async def test_a_cron_job_at_startup_runs_without_waiting_for_its_time(run_worker: Any) -> None:
    ran = asyncio.Event()

    async def nightly(ctx: dict[str, Any]) -> None:
        ran.set()

    next_hour = (datetime.now().astimezone() + timedelta(hours=2)).hour
    await run_worker(cron_jobs=[cron(nightly, hour=next_hour, run_at_startup=True)])

    await happens(ran)


async def test_a_cron_job_runs_once_at_each_time_among_several_workers(run_worker: Any) -> None:
    ran: list[str] = []

    async def every_second(ctx: dict[str, Any]) -> None:
        ran.append(ctx["job_id"])

    for _ in range(3):
        await run_worker(cron_jobs=[cron(every_second, second=EVERY_SECOND, microsecond=0)])
    await until(lambda: len(ran) >= 3, SECONDS, lambda: f"only {ran}")

    assert len(set(ran)) == len(ran)


async def test_a_cron_jobs_limits_and_kept_result_are_its_own(
    run_worker: Any, pool: ArqRedis, redis: Redis
) -> None:
    ran = asyncio.Event()

    async def kept(ctx: dict[str, Any]) -> str:
        ran.set()
        return "kept"

    job = cron(kept, name="kept", hour=0, run_at_startup=True, unique=False, keep_result=30)
    await run_worker(cron_jobs=[job])
    await happens(ran)
    await until(lambda: redis.keys("arq:result:*"), SECONDS, lambda: "no result was kept")

    (key,) = await redis.keys("arq:result:*")
    assert 20 < await redis.ttl(key) <= 30


async def test_a_cron_job_runs_beside_functions_and_can_be_enqueued_by_name(
    run_worker: Any, pool: ArqRedis
) -> None:
    async def nightly(ctx: dict[str, Any]) -> str:
        return "ran"

    async def work(ctx: dict[str, Any]) -> str:
        return "worked"

    job = cron(nightly, name="nightly", hour=0, keep_result=30)
    await run_worker(functions=[named(work)], cron_jobs=[job])

    assert await result(await enqueue(pool, "nightly")) == "ran"
    assert await result(await enqueue(pool, "work")) == "worked"
