"""A Redis that is nearly full: producers are told so before its own limit, and nothing half is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest
from redis.asyncio import Redis

from embedded import RedisServer
from jobs import IndexDocument, IndexQueue, Payload, QueueFull, keys
from tests.dead_letters import bury

GOOD = IndexDocument(index="products", id="42", document={})
LARGE = 50_000
Limit = Callable[[float], Awaitable[int]]


class Proxy(Protocol):
    """What these tests ask of the proxy in conftest.py."""

    replies_to_cut: int
    on_cut: Callable[[], Awaitable[None]] | None


@pytest.fixture
async def redis(own_redis: RedisServer) -> AsyncIterator[Redis]:
    """A client on a Redis without limit and jobs; beside its ballast a connection counts little."""
    async with Redis.from_url(own_redis.url) as client:
        await client.flushall()
        await client.setrange("ballast", 50_000_000, b"x")  # sent as a whole it would be in a buffer as well
        yield client
        await client.config_set("maxmemory", 0)


@pytest.fixture
def redis_url(own_redis: RedisServer) -> str:
    """Where the proxy leads to."""
    return own_redis.url


@pytest.fixture
def limit(redis: Redis) -> Limit:
    """Have so large a share of Redis's memory in use; its limit in bytes."""

    async def set_limit(share: float) -> int:
        used = int((await redis.info("memory"))["used_memory"])
        await redis.config_set("maxmemory", int(used / share))
        return int(used / share)

    return set_limit


def documents(count: int) -> list[Payload]:
    return [IndexDocument(index="i", id=str(n), document={"t": "x" * LARGE}) for n in range(count)]


async def test_below_the_mark_jobs_are_taken_and_above_it_none(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    async with IndexQueue(own_redis.url, refuse_above=0.8) as queue:
        await limit(0.7)
        handle = await queue.enqueue(GOOD)

        most = await limit(0.85)
        with pytest.raises(QueueFull, match=r"above 80% of its maxmemory of [\d,]+ bytes") as full:
            await queue.enqueue(GOOD, idempotency_key="order-7")

        assert full.value.limit_bytes == most
        assert 0.8 * most < (full.value.used_bytes or 0) < most
        assert await redis.zrange(keys.DEFAULT_QUEUE, 0, -1) == [handle.id.encode()]
        assert await redis.keys(keys.idempotency_prefix(keys.DEFAULT_QUEUE) + "*") == []
        await limit(0.7)
        assert (await queue.enqueue(GOOD, idempotency_key="order-7")).id


async def test_the_mark_is_at_nine_tenths_unless_told(own_redis: RedisServer, limit: Limit) -> None:
    async with IndexQueue(own_redis.url) as queue:
        await limit(0.85)
        await queue.enqueue(GOOD)
        await limit(0.95)
        with pytest.raises(QueueFull, match=r"refuse_above=0\.9"):
            await queue.enqueue(GOOD)


async def test_with_the_mark_at_all_of_it_redis_itself_refuses(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    async with IndexQueue(own_redis.url, refuse_above=1.0) as queue:
        await limit(0.95)
        handle = await queue.enqueue(GOOD)
        await redis.config_set("maxmemory", 1)

        with pytest.raises(QueueFull, match="Redis did not take the job: it is full") as full:
            await queue.enqueue(GOOD, idempotency_key="order-7")

        assert (full.value.used_bytes, full.value.limit_bytes) == (None, None)
        assert sorted(await redis.keys("*")) == sorted(
            name.encode()
            for name in ("ballast", keys.DEFAULT_QUEUE, keys.JOB_PREFIX + handle.id, keys.LAST_NUMBER)
        )


async def test_many_payloads_are_refused_at_the_mark_with_the_handles_of_what_was_taken(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    async with IndexQueue(own_redis.url) as queue:
        await limit(0.8)

        with pytest.raises(QueueFull) as full:
            await queue.enqueue_many(documents(300))

    there = [id.decode() for id in await redis.zrange(keys.DEFAULT_QUEUE, 0, -1)]
    assert 0 < len(there) < 300
    assert [handle.id for handle in full.value.enqueued] == there


@pytest.mark.parametrize("share", [0.95, 1.5])
async def test_a_repeat_of_what_was_taken_before_redis_was_full_is_no_refusal(
    redis: Redis, cut_queue: IndexQueue, proxy: Proxy, limit: Limit, share: float
) -> None:
    # Given a call that Redis has executed, whose answer is lost, and a Redis that is full by then
    async def full() -> None:
        await limit(share)

    proxy.replies_to_cut, proxy.on_cut = 1, full

    handle = await cut_queue.enqueue(GOOD)

    assert await redis.zrange(keys.DEFAULT_QUEUE, 0, -1) == [handle.id.encode()]
    with pytest.raises(QueueFull):
        await cut_queue.enqueue(GOOD)


async def test_a_producer_that_may_not_ask_meets_redis_own_limit_alone(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    rights = {"keys": ["*"], "channels": ["*"], "commands": ["+@all", "-info"], "passwords": ["+pw"]}
    await redis.acl_setuser("producer", enabled=True, **rights)
    await limit(0.95)
    try:
        async with IndexQueue(own_redis.url.replace("redis://", "redis://producer:pw@")) as queue:
            await queue.enqueue(GOOD)
    finally:
        await redis.acl_deluser("producer")


async def test_a_dead_letter_is_not_retried_above_the_mark_but_can_be_shown_and_purged(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    async with IndexQueue(own_redis.url) as queue:
        handle = await queue.enqueue(GOOD)
        await bury(redis, handle)
        await limit(0.95)

        with pytest.raises(QueueFull):
            await queue.dead_letters.retry([handle.id])

        assert await queue.dead_letters.count() == 1
        assert (await queue.dead_letters.show(handle.id)).arguments == GOOD.arguments()
        assert await queue.dead_letters.purge([handle.id]) == 1


async def test_a_dead_letter_that_was_retried_before_the_mark_still_names_its_job(
    redis: Redis, own_redis: RedisServer, limit: Limit
) -> None:
    async with IndexQueue(own_redis.url) as queue:
        handle = await queue.enqueue(GOOD)
        await bury(redis, handle)
        first = await queue.dead_letters.retry([handle.id])
        await limit(0.95)

        again = await queue.dead_letters.retry([handle.id])

        assert again.jobs[handle.id].id == first.jobs[handle.id].id


async def test_a_full_redis_keeps_a_dead_letter_whole_and_lets_it_be_purged(
    redis: Redis, own_redis: RedisServer
) -> None:
    async with IndexQueue(own_redis.url, refuse_above=1) as queue:
        handle = await queue.enqueue(GOOD)
        await bury(redis, handle)
        await redis.config_set("maxmemory", 1)

        with pytest.raises(QueueFull, match="did not take the retried jobs"):
            await queue.dead_letters.retry([handle.id])

        assert (await queue.dead_letters.show(handle.id)).arguments == GOOD.arguments()
        assert await queue.dead_letters.purge([handle.id]) == 1


@pytest.mark.parametrize("share", [0, -0.5, 1.1, float("nan")])
def test_a_mark_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="refuse_above: expected more than 0, and 1 at most"):
        IndexQueue(refuse_above=share)
