"""Penstock's workers and arq's own refuse to work one queue at a time, unless told to."""

import signal
from typing import Any

from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, Outcome
from tests.processes import until

ARQ = ("-m", "arq", "worker.WorkerSettings")
PENSTOCK_AT_WORK = "works on arq:queue"
STOCK_AT_WORK = "this is arq's stock worker"
# Short, so that the mark of a killed worker ends soon; it has to fit the patience with Redis.
SHORT = {"PENSTOCK_LEASE_SECONDS": "2", "PENSTOCK_REDIS_TIMEOUT_SECONDS": "1"}
ALLOWED = {"PENSTOCK_ALLOW_STOCK_WORKERS": "true"}
MARKS = "penstock:arq:queue:marks"


async def live_marks(redis: Redis) -> list[str]:
    """The kinds of the marks that have not ended."""
    seconds, microseconds = await redis.time()
    members = await redis.zrangebyscore(MARKS, seconds * 1000 + microseconds // 1000, "+inf")
    return [member.decode().partition(" ")[0] for member in members]


async def test_penstocks_worker_is_refused_where_arqs_is_at_work(start: Any) -> None:
    stock = await start(command=ARQ).says(STOCK_AT_WORK)

    worker = start()

    assert await worker.exit_code() == 2
    (line,) = worker.output.splitlines()
    assert "expected a queue without arq's own workers, got arq:queue with " in line
    assert f"-{stock.pid}: " in line
    assert "PENSTOCK_ALLOW_STOCK_WORKERS=true" in line


async def test_arqs_worker_is_refused_where_penstocks_is_at_work(start: Any) -> None:
    worker = await start().says(PENSTOCK_AT_WORK)

    stock = start(command=ARQ)

    assert await stock.exit_code() == 1
    assert "StartRefused: PENSTOCK_QUEUE: expected a queue without Penstock's workers" in stock.output
    assert f"-{worker.pid}" in stock.output
    assert STOCK_AT_WORK not in stock.output
    assert not worker.ended


async def test_one_at_least_is_refused_where_both_start_at_a_time(start: Any) -> None:
    both = [start(), start(command=ARQ)]

    await until(lambda: any(process.ended for process in both), 60, lambda: both[0].output + both[1].output)

    (ended, *_) = [process for process in both if process.ended]
    assert "expected a queue without" in ended.output


async def test_the_other_kind_may_work_as_soon_as_the_first_has_stopped(
    start: Any, redis: Redis, queue: IndexQueue, prefix: str, reports: Any
) -> None:
    stock = await start(command=ARQ).says(STOCK_AT_WORK)
    await stock.stop()
    assert await live_marks(redis) == []

    worker = await start().says(PENSTOCK_AT_WORK)
    handle = await queue.enqueue(IndexDocument(index=prefix, id="1", document={}))

    assert [report.outcome for report in await reports([handle])] == [Outcome.CREATED]
    assert await worker.stop() == 0


async def test_the_mark_lasts_while_the_worker_lives_and_ends_soon_after_it_was_killed(
    start: Any, redis: Redis
) -> None:
    stock = await start(command=ARQ, env=SHORT).says(STOCK_AT_WORK)
    (first,) = await redis.zrange(MARKS, 0, -1, withscores=True)

    async def renewed() -> bool:
        return bool((await redis.zscore(MARKS, first[0])) > first[1] + 2000)

    await until(renewed, 30, lambda: "the mark was not renewed beyond a lease")
    assert await live_marks(redis) == ["stock"]
    stock.send(signal.SIGKILL)
    await stock.exit_code()

    async def none_left() -> bool:
        return await live_marks(redis) == []

    await until(none_left, 5, lambda: "the mark of a dead worker lasts for longer than its lease")
    worker = await start(env=SHORT).says(PENSTOCK_AT_WORK)
    assert await worker.stop() == 0


async def test_workers_of_one_kind_share_a_queue(start: Any) -> None:
    workers = [start(), start()]
    for worker in workers:
        await worker.says(PENSTOCK_AT_WORK)
    for worker in workers:
        assert await worker.stop() == 0

    other = {"PENSTOCK_QUEUE": "other"}
    for stock in [start(command=ARQ, env=other), start(command=ARQ, env=other)]:
        await stock.says(STOCK_AT_WORK)


async def test_both_kinds_work_one_queue_where_they_are_told_to(start: Any) -> None:
    stock = await start(command=ARQ, env=ALLOWED).says(STOCK_AT_WORK)
    worker = await start(env=ALLOWED).says(PENSTOCK_AT_WORK)
    second = await start(command=ARQ, env=ALLOWED).says(STOCK_AT_WORK)

    assert "allowed by the settings: PENSTOCK_QUEUE" in worker.output
    assert "allowed by the settings: PENSTOCK_QUEUE" in second.output
    assert not stock.ended
    assert await worker.stop() == 0
