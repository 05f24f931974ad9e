"""Waiting for a report: the job's end is told, and what a lost message misses is found by a poll.

Jobs end by the worker's own finish script, without the rest of a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from jobs import IndexQueue, JobHandle, JobNotFound, Outcome, Report, ReportTimeout, keys
from jobs.ended import EndedJobs
from worker.backoff import Backoff
from worker.cancelling import end_tasks
from worker.claims import Claims
from worker.finisher import Bounds, Ended, Finisher, How
from worker.results import Ran, result_of

SECONDS = 10.0
AWAITED = keys.awaited(keys.DEFAULT_QUEUE)
REPORT = Report(outcome=Outcome.CREATED, index="products", id="42", version=1_024, seq_no=0, attempts=1)

End = Callable[..., Awaitable[None]]


@pytest.fixture
async def end(redis: Redis) -> AsyncIterator[End]:
    """Claims all that waits and ends it with a report, as a worker does."""
    claims = Claims(redis, redis, keys.DEFAULT_QUEUE, "w")
    await claims.beat(30, b"{}", register=True)
    bounds = Bounds(60_000, 60_000, 100, 60_000, 1_000_000)
    finisher = Finisher(
        redis, keys.DEFAULT_QUEUE, claims, Backoff(0.1, 1, lambda: 1.0), lambda id: None, bounds=bounds
    )
    work = asyncio.create_task(finisher.run())

    async def end_all() -> None:
        for job in (await claims.claim(100, 1_000_000, 100)).jobs:
            ran = Ran(job.name, "index", keys.DEFAULT_QUEUE, 1, 2, 3)
            finisher.add(Ended(job.id, job.document_keys, result_of(ran, REPORT), How.SUCCESS))
        await asyncio.wait_for(finisher.flushed(), SECONDS)

    yield end_all
    await end_tasks([work])


@pytest.fixture
def told_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found by a poll within this test."""
    monkeypatch.setattr("jobs.handle._FIRST_POLL_SECONDS", 1_000.0)
    monkeypatch.setattr("jobs.handle._LONGEST_POLL_SECONDS", 1_000.0)


async def enqueued(queue: IndexQueue, id: str = "42") -> JobHandle:
    return await queue.index(index="products", id=id, document={})


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait for what another task, or Redis, is about to do. Raises TimeoutError."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.005)


@pytest.fixture
async def waiting(redis: Redis) -> AsyncIterator[Callable[..., Awaitable[asyncio.Task[Report]]]]:
    """Starts to wait for a report; answers when the wish to be told is in Redis."""
    tasks: list[asyncio.Task[Report]] = []

    async def wait(
        handle: JobHandle, channel: str | None = None, timeout: float = SECONDS
    ) -> asyncio.Task[Report]:
        tasks.append(asyncio.create_task(handle.result(timeout=timeout)))

        async def wished() -> bool:
            found = await redis.hget(AWAITED, handle.id)  # type: ignore[misc]
            return found is not None and (channel is None or found.decode() == channel)

        await until(wished)
        return tasks[-1]

    yield wait
    await end_tasks(tasks)


@pytest.mark.usefixtures("told_alone")
async def test_who_waits_is_told_when_the_job_ends(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    jobs = [await waiting(await enqueued(queue, id)) for id in "abc"]

    await end()

    assert await asyncio.gather(*jobs) == [REPORT] * 3
    assert await redis.exists(AWAITED) == 0


@pytest.mark.usefixtures("told_alone")
async def test_two_handles_on_one_job_are_both_told(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    handle = await enqueued(queue)
    both = [await waiting(handle), await waiting(queue.job(handle.id))]
    await until(lambda: _waiters(queue, handle, 2))  # the wish may be the first one's

    await end()

    assert await asyncio.gather(*both) == [REPORT] * 2
    assert await redis.exists(AWAITED) == 0


async def _waiters(queue: IndexQueue, handle: JobHandle, number: int) -> bool:
    return queue._ended.waiters(handle.id) == number


@pytest.mark.usefixtures("told_alone")
async def test_a_handle_without_a_queue_of_its_own_is_told_as_well(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    handle = await enqueued(queue)
    job = await waiting(JobHandle(handle.id, redis, keys.DEFAULT_QUEUE))

    await end()

    assert await job == REPORT
    assert await redis.pubsub_channels("penstock:*:ended:*") == []


async def test_of_two_clients_that_wait_the_one_that_is_not_told_finds_it_by_its_poll(
    redis_url: str, redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    handle = await enqueued(queue)
    async with IndexQueue(redis_url) as other:
        first = await waiting(handle)
        second = await waiting(other.job(handle.id), channel=other._ended.channel)

        await end()

        assert await asyncio.gather(first, second) == [REPORT] * 2
    assert await redis.exists(AWAITED) == 0


async def test_a_message_that_is_lost_is_found_by_the_poll(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    job = await waiting(await enqueued(queue))
    (id,) = await redis.hkeys(AWAITED)  # type: ignore[misc]
    await redis.hset(AWAITED, id, "nobody listens here")  # type: ignore[misc]

    await end()

    assert await job == REPORT


async def test_an_end_that_tells_nobody_leaves_no_wish_behind(
    redis: Redis, queue: IndexQueue, waiting: Any
) -> None:
    """As of arq's stock worker."""
    handle = await enqueued(queue)
    job = await waiting(handle)
    ran = Ran(handle.id, "index", keys.DEFAULT_QUEUE, 1, 2, 3)

    await redis.set(keys.RESULT_PREFIX + handle.id, result_of(ran, REPORT))

    assert await job == REPORT
    assert await redis.exists(AWAITED) == 0


async def test_a_connection_that_is_cut_once_the_report_is_known_does_not_lose_it(
    redis: Redis, queue: IndexQueue, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(*arguments: Any) -> None:
        raise RedisConnectionError("cut")

    handle = await enqueued(queue)
    job = await waiting(handle)
    for command in ("hget", "hdel"):
        monkeypatch.setattr(queue._redis, command, cut)
    ran = Ran(handle.id, "index", keys.DEFAULT_QUEUE, 1, 2, 3)

    await redis.set(keys.RESULT_PREFIX + handle.id, result_of(ran, REPORT))

    assert await job == REPORT


async def test_who_gives_up_leaves_no_wish_behind(redis: Redis, queue: IndexQueue) -> None:
    handle = await enqueued(queue)

    with pytest.raises(ReportTimeout):
        await handle.result(timeout=0.05)
    assert await redis.exists(AWAITED) == 0
    with pytest.raises(JobNotFound):
        await queue.job("nobody").result(timeout=SECONDS)
    assert await redis.exists(AWAITED) == 0


@pytest.mark.usefixtures("told_alone")
async def test_who_gives_up_takes_no_wish_from_another_of_the_same_client(
    queue: IndexQueue, end: End, waiting: Any
) -> None:
    handle = await enqueued(queue)
    patient = await waiting(handle)

    with pytest.raises(ReportTimeout):
        await handle.result(timeout=0.05)
    await end()

    assert await patient == REPORT


@pytest.mark.usefixtures("told_alone")
async def test_who_gives_up_takes_no_wish_from_another_client(
    redis_url: str, queue: IndexQueue, end: End, waiting: Any
) -> None:
    handle = await enqueued(queue)
    async with IndexQueue(redis_url) as other:
        impatient = await waiting(handle, timeout=0.3)
        patient = await waiting(other.job(handle.id), channel=other._ended.channel)

        with pytest.raises(ReportTimeout):
            await impatient
        await end()

        assert await patient == REPORT


@pytest.mark.usefixtures("told_alone")
async def test_a_subscription_that_is_cut_is_made_again(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    job = await waiting(await enqueued(queue))
    assert await redis.client_kill_filter(_type="pubsub") == 1

    async def subscribed_again() -> bool:
        ((_, number),) = await redis.pubsub_numsub(queue._ended.channel)
        return bool(number)

    await until(subscribed_again)
    await end()

    assert await job == REPORT


async def test_a_close_ends_the_subscription_and_who_still_waits_polls(
    redis: Redis, end: End, waiting: Any
) -> None:
    queue = IndexQueue(redis)  # a client from outside is left open
    job = await waiting(await enqueued(queue))
    assert await redis.pubsub_channels("penstock:*:ended:*") == [queue._ended.channel.encode()]

    await queue.close()
    await until(lambda: _none_listens(redis))
    await end()

    assert await job == REPORT
    assert await redis.exists(AWAITED) == 0


async def _none_listens(redis: Redis) -> bool:
    return await redis.pubsub_channels("penstock:*:ended:*") == []


async def test_nothing_is_subscribed_to_before_somebody_waits_and_once_for_all_who_do(
    redis: Redis, queue: IndexQueue, end: End, waiting: Any
) -> None:
    jobs = [await enqueued(queue, id) for id in "abcd"]
    assert await _none_listens(redis)

    waits = [await waiting(job) for job in jobs]

    channels = await redis.pubsub_channels("penstock:*:ended:*")
    assert await redis.pubsub_numsub(*channels) == [(queue._ended.channel.encode(), 1)]
    await end()
    assert await asyncio.gather(*waits) == [REPORT] * 4


async def test_close_may_be_called_before_anybody_waited_and_twice(redis: Redis) -> None:
    ended = EndedJobs(redis, keys.DEFAULT_QUEUE)

    await ended.close()
    with ended.waiting_for("a"):
        assert await ended.subscribed()
    await ended.close()
    await ended.close()

    assert await _none_listens(redis)
