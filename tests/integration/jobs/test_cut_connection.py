"""A connection cut in the middle of an enqueue: exactly one job, and never a false duplicate."""

from __future__ import annotations

import random
from typing import Protocol

import pytest
from redis.asyncio import Redis

from jobs import Enqueued, IndexDocument, IndexQueue, JobStatus, keys
from jobs.envelope import serialize

GOOD = IndexDocument(index="products", id="42", document={})


class Proxy(Protocol):
    """What these tests ask of the proxy in conftest.py."""

    requests_to_cut: int
    replies_to_cut: int
    cuts: int
    on_cut: object


@pytest.mark.parametrize("key", [None, "order-7"])
@pytest.mark.parametrize("side", ["requests_to_cut", "replies_to_cut"])
@pytest.mark.parametrize("cuts", [1, 3])
async def test_a_cut_enqueue_is_one_job(
    redis: Redis, proxy: Proxy, cut_queue: IndexQueue, key: str | None, side: str, cuts: int
) -> None:
    setattr(proxy, side, cuts)

    handle = await cut_queue.enqueue(GOOD, idempotency_key=key)

    assert proxy.cuts == cuts
    assert type(handle) is Enqueued
    assert await redis.zrange(keys.DEFAULT_QUEUE, 0, -1) == [handle.id.encode()]
    assert len(await redis.keys("arq:job:*")) == 1


async def test_a_job_that_ended_before_the_repeat_is_not_enqueued_again(
    redis: Redis, proxy: Proxy, cut_queue: IndexQueue
) -> None:
    async def end_it() -> None:
        (id,) = await redis.zrange(keys.DEFAULT_QUEUE, 0, -1)
        await redis.set(
            keys.RESULT_PREFIX.encode() + id, serialize({"s": True, "r": {"outcome": "created"}}), ex=60
        )
        await redis.delete(keys.JOB_PREFIX.encode() + id)
        await redis.zrem(keys.DEFAULT_QUEUE, id)

    proxy.on_cut, proxy.replies_to_cut = end_it, 1
    handle = await cut_queue.enqueue(GOOD, idempotency_key="order-7")

    assert proxy.cuts == 1
    assert type(handle) is Enqueued
    assert await handle.status() is JobStatus.COMPLETE
    assert await redis.zcard(keys.DEFAULT_QUEUE) == 0


async def test_many_jobs_through_many_cuts_are_each_there_once_and_in_order(
    redis: Redis, proxy: Proxy, cut_queue: IndexQueue
) -> None:
    dice = random.Random(3)
    payloads = [IndexDocument(index="products", id=str(n), document={}) for n in range(5_000)]

    def cut_again(enqueued: int) -> None:
        setattr(proxy, dice.choice(["requests_to_cut", "replies_to_cut"]), dice.randint(0, 2))

    handles = await cut_queue.enqueue_many(payloads, progress=cut_again)

    assert proxy.cuts > 3
    assert {type(handle) for handle in handles} == {Enqueued}
    assert [id.decode() for id in await redis.zrange(keys.DEFAULT_QUEUE, 0, -1)] == [
        handle.id for handle in handles
    ]


async def test_a_handle_reads_through_a_cut(proxy: Proxy, cut_queue: IndexQueue) -> None:
    handle = await cut_queue.enqueue(GOOD)

    proxy.replies_to_cut = 1
    assert await handle.status() is not JobStatus.NOT_FOUND
    proxy.replies_to_cut = 1
    assert await handle.report() is None
    proxy.requests_to_cut = 1
    assert await cut_queue.reports([handle]) == [None]
