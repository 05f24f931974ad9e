"""A moment in which no job on some index names runs: they are aside, all others go on, and they come back."""

import asyncio
from time import time
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, JobStatus, keys
from jobs.envelope import index_key
from tests.claiming import claim, claim_suspects, die, enqueue, everything_is_free, finish, ids, release
from worker.claims import ABORTED, Claims
from worker.reindexing.hold import Hold, HoldLost

KEY = index_key("products")
SECONDS = 10.0


@pytest.fixture
def hold(redis: Redis) -> Hold:
    return Hold(redis, "r1", ["products"])


async def expire(redis: Redis) -> None:
    """End the hold of a holder that does not renew it: by Redis's clock it ended a moment ago."""
    assert await redis.hexists(keys.HELD, KEY)
    await redis.hset(keys.HELD, KEY, f"{time() * 1000 - 1:.0f} r1")


async def no_trace(redis: Redis) -> bool:
    return await everything_is_free(redis) and not await redis.keys("penstock:*held*")


async def test_jobs_of_a_held_index_wait_and_those_of_others_do_not(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    held = await enqueue(queue, "1", "2")
    other = await queue.index(index="orders", id="1", document={})
    async with hold:
        jobs = await claim(one)

        assert ids(jobs) == [other.id]
        assert [await handle.status() for handle in held] == [JobStatus.QUEUED] * 2
        overview = await queue.overview()
        assert (overview.waiting, overview.held) == (2, 2)
        assert await claim(one) == []
        await finish(redis, one, jobs)

    back = await claim(one)
    assert ids(back) == ids(held)
    assert (await queue.overview()).held == 0
    await finish(redis, one, back)
    assert await no_trace(redis)


async def test_the_order_of_a_document_is_kept(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    handles = await enqueue(queue, "a", "b", "a")
    (running,) = await claim(one, jobs=1)
    async with hold:
        assert await claim(two) == []
        handles += await enqueue(queue, "b", "a")
        assert await claim(two) == []
        await release(one, [running])
        assert await claim(two) == await claim(one) == []
    handles += await enqueue(queue, "a")

    first = await claim(two, jobs=1)
    assert ids(first) == ids(handles[:1])
    assert ids(await claim(one)) == [handles[1].id, handles[3].id]
    await finish(redis, two, first)
    assert ids(await claim(two)) == [handles[n].id for n in (2, 4, 5)]


async def test_they_come_back_when_the_holder_is_dead(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    handles = await enqueue(queue, "1", "2")
    async with hold:
        assert await claim(one) == []

        await expire(redis)

        back = await claim(one)
        assert ids(back) == ids(handles)
        with pytest.raises(HoldLost):
            await hold.renew()
    await finish(redis, one, back)
    assert await no_trace(redis)


async def test_more_than_one_claim_brings_back_come_all_and_in_order(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    writes = [IndexDocument(index="products", id=f"{n % 700}", document={}) for n in range(1000)]
    handles = await queue.enqueue_many(writes)
    async with hold:
        while (await one.claim(100, 1_000_000, 0)).moved:
            pass
        assert (await queue.overview()).held == 1000

    back = []
    while found := await claim(one, jobs=150):
        back += found
    assert sorted(ids(back)) == sorted(ids(handles))
    place = {job: n for n, job in enumerate(ids(back))}
    assert all(place[handles[n].id] < place[handles[n + 700].id] for n in range(300))
    await finish(redis, one, back)
    assert await no_trace(redis)


async def test_a_hold_is_for_all_queues(
    queue: IndexQueue, redis: Redis, redis_url: str, claims_of: Any, hold: Hold
) -> None:
    one, other = await claims_of("one"), Claims(redis, redis, "other", "two")
    await other.beat(30, b"{}", register=True)
    async with IndexQueue(redis_url, queue="other") as second:
        handles = [*await enqueue(queue, "1"), *await enqueue(second, "2", "3")]
        (writing,) = await claim(other, jobs=1)
        async with hold:
            assert await claim(one) == await claim(other) == []
            assert not await hold.quiet(0.0)
            await release(other, [writing])
            assert await hold.quiet(SECONDS)

        assert ids(await claim(one)) == [handles[0].id]
        assert ids(await claim(other)) == ids(handles[1:])


async def test_quiet_waits_for_what_live_workers_have_claimed(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one, dead = await claims_of("one"), await claims_of("dead")
    await enqueue(queue, "1", "2")
    await queue.index(index="orders", id="1", document={})
    first, second = await claim(one, jobs=1), await claim(dead, jobs=1)
    await claim(one)  # of another index
    async with hold:
        waiting = asyncio.create_task(hold.quiet(SECONDS))
        await finish(redis, one, first)
        assert not await hold.quiet(0.02)  # nobody knows yet that the other worker is dead
        assert not waiting.done()

        assert await die(redis, dead, one) == 1

        assert await waiting
    assert hold.seconds >= 0.02
    assert second


async def test_quiet_waits_for_nobody_who_is_no_worker_any_more(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    (removed,) = await enqueue(queue, "1")
    await claim(one)
    await redis.delete(keys.JOB_PREFIX + removed.id)  # by hand: nobody knows its document any more
    await die(redis, one, await claims_of("two"))
    assert await redis.hlen(keys.holders(keys.DEFAULT_QUEUE)) == 1

    async with hold:
        assert await hold.quiet(0.0)


async def test_a_suspect_is_not_claimed_during_a_hold(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    dead, one = await claims_of("dead"), await claims_of("one")
    handles = await enqueue(queue, "1")
    await claim(dead)
    other = await queue.index(index="orders", id="1", document={})
    await claim(dead)
    await die(redis, dead, one)
    async with hold:
        found = await one.claim_suspects(10, 1_000_000)
        assert ids(found.jobs) == [other.id]
        assert found.suspects == 1

    assert ids(await claim_suspects(one)) == ids(handles)


async def test_a_job_that_is_aborted_meanwhile_ends_as_aborted_after_the_hold(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    (aborted, other) = await enqueue(queue, "1", "2")
    async with hold:
        assert await claim(one) == []
        await redis.zadd(keys.ABORT_SET, {aborted.id: time() * 1000})
        await redis.zadd(keys.DEFAULT_QUEUE, {aborted.id: 1})  # as arq's abort does with one that is not due
        for _ in range(2):
            assert (await one.claim(10, 1_000_000, 0, may_abort=True)).jobs == []

    found = await one.claim(10, 1_000_000, 0, may_abort=True)
    assert [(job.name, job.attempt) for job in found.jobs] == [(aborted.id, ABORTED), (other.id, 0)]
    await finish(redis, one, found.jobs)
    assert await no_trace(redis)


async def test_a_job_that_is_removed_by_hand_meanwhile_leaves_no_trace(
    queue: IndexQueue, redis: Redis, claims_of: Any, hold: Hold
) -> None:
    one = await claims_of("one")
    (removed, other) = await enqueue(queue, "1", "1")
    async with hold:
        assert await claim(one) == []
        await redis.zrem(keys.DEFAULT_QUEUE, removed.id)
        await redis.delete(keys.JOB_PREFIX + removed.id)

    found = await claim(one)
    assert ids(found) == [other.id]
    await finish(redis, one, found)
    assert not await redis.keys("penstock:*held*")


async def test_a_held_index_is_not_held_by_another_reindex(redis: Redis, hold: Hold) -> None:
    async with hold:
        await hold.renew()
        with pytest.raises(HoldLost):
            await Hold(redis, "r2", ["products", "orders"]).__aenter__()
        assert await redis.hkeys(keys.HELD) == [KEY.encode()]  # all of them or none
    async with Hold(redis, "r2", ["products", "orders"]):
        with pytest.raises(HoldLost):
            await hold.renew()
        await hold.__aexit__(None, None, None)
        assert await redis.hlen(keys.HELD) == 2


async def test_a_hold_that_another_run_has_taken_over_is_out_of_reach_for_the_former_one(
    redis: Redis, hold: Hold
) -> None:
    async with hold:
        async with Hold(redis, "r1", ["products"]) as present:
            with pytest.raises(HoldLost):
                await hold.renew()
            await hold.let_go()
            await present.renew()
            assert await hold.inherit(1.0)
            with pytest.raises(HoldLost):
                await present.renew()
        assert await redis.hlen(keys.HELD) == 1
        await present.let_go(whoever=True)
        assert not await redis.hlen(keys.HELD)
        assert not await hold.inherit(1.0)


async def test_a_hold_in_doubt_is_not_let_go_of(redis: Redis, hold: Hold) -> None:
    async with hold:
        hold.in_doubt = True
    assert await redis.hlen(keys.HELD) == 1
