"""Idempotency keys: a second job under a key is a Duplicate that names the first, until the key expires."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from jobs import DeleteDocument, Duplicate, Enqueued, IndexDocument, IndexQueue, keys

GOOD = IndexDocument(index="products", id="42", document={})


async def until_gone(redis: Redis, key: str) -> None:
    async with asyncio.timeout(10):
        while await redis.exists(key):  # noqa: ASYNC110  # Redis tells nobody of an expiry unless asked
            await asyncio.sleep(0.01)


async def test_a_second_job_under_the_key_names_the_first(redis: Redis, queue: IndexQueue) -> None:
    first = await queue.enqueue(GOOD, idempotency_key="order-7")
    second = await queue.delete(index="products", id="1", idempotency_key="order-7")

    assert isinstance(first, Enqueued)
    assert isinstance(second, Duplicate)
    assert second.id == first.id
    assert await second.status() == await first.status()
    assert await redis.zcard(keys.DEFAULT_QUEUE) == 1


async def test_other_keys_and_no_keys_are_other_jobs(redis: Redis, queue: IndexQueue) -> None:
    for key in ("a", "b", None, None):
        assert isinstance(await queue.enqueue(GOOD, idempotency_key=key), Enqueued)

    assert await redis.zcard(keys.DEFAULT_QUEUE) == 4


async def test_a_key_belongs_to_its_queue(redis_url: str, queue: IndexQueue) -> None:
    await queue.enqueue(GOOD, idempotency_key="order-7")
    async with IndexQueue(redis_url, queue="other") as other:
        assert isinstance(await other.enqueue(GOOD, idempotency_key="order-7"), Enqueued)


async def test_of_many_concurrent_producers_one_enqueues(redis: Redis, queue: IndexQueue) -> None:
    handles = await asyncio.gather(*(queue.enqueue(GOOD, idempotency_key="order-7") for _ in range(50)))

    assert sum(isinstance(handle, Enqueued) for handle in handles) == 1
    assert len({handle.id for handle in handles}) == 1
    assert await redis.zcard(keys.DEFAULT_QUEUE) == 1


async def test_a_key_outlives_its_job(redis: Redis, queue: IndexQueue) -> None:
    first = await queue.enqueue(GOOD, idempotency_key="order-7")
    await redis.delete(keys.JOB_PREFIX + first.id)
    await redis.zrem(keys.DEFAULT_QUEUE, first.id)

    second = await queue.enqueue(GOOD, idempotency_key="order-7")

    assert isinstance(second, Duplicate)
    assert second.id == first.id


async def test_a_key_expires_after_its_own_time(redis: Redis, redis_url: str) -> None:
    async with IndexQueue(redis_url, idempotency_seconds=0.05) as queue:
        first = await queue.enqueue(GOOD, idempotency_key="order-7")
        await until_gone(redis, keys.idempotency_prefix("arq:queue") + "order-7")
        second = await queue.enqueue(GOOD, idempotency_key="order-7")

    assert isinstance(second, Enqueued)
    assert second.id != first.id


async def test_a_duplicate_does_not_prolong_the_key(redis: Redis, queue: IndexQueue) -> None:
    await queue.enqueue(GOOD, idempotency_key="order-7")
    key = keys.idempotency_prefix("arq:queue") + "order-7"
    await redis.pexpire(key, 5_000)

    await queue.enqueue(GOOD, idempotency_key="order-7")

    assert 0 < await redis.pttl(key) <= 5_000


async def test_many_jobs_with_a_key_each(queue: IndexQueue) -> None:
    payloads = [DeleteDocument(index="products", id=str(n % 3)) for n in range(9)]

    handles = await queue.enqueue_many(payloads, idempotency_key=lambda payload: f"delete-{payload.id}")  # type: ignore[union-attr]

    assert [type(handle) for handle in handles] == [Enqueued] * 3 + [Duplicate] * 6
    assert [handle.id for handle in handles] == [handle.id for handle in handles[:3]] * 3
