"""Jobs that wait for documents: what comes back when those become free, and what that costs Redis."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import IndexQueue, JobHandle
from tests.claiming import claim, claim_suspects, enqueue, everything_is_free, finish, ids
from worker.claims import Claims

DOCUMENTS = 300
FULL = b'{"type": "cluster_block_exception", "reason": "no room"}'


async def enqueue_bulk(queue: IndexQueue, *documents: str) -> JobHandle:
    """One job that deletes some documents."""
    return await queue.bulk(index="products", actions=[{"op": "delete", "id": id} for id in documents])


async def commands(redis: Redis) -> int:
    """How many commands Redis has executed for scripts and others since the last reset."""
    return sum(stats["calls"] for stats in (await redis.info("commandstats")).values())


def shared(documents: int = DOCUMENTS) -> list[str]:
    return [f"shared-{n}" for n in range(documents)]


@pytest.fixture
async def one(claims_of: Any) -> Claims:
    claims: Claims = await claims_of("one")
    return claims


@pytest.fixture
async def two(claims_of: Any) -> Claims:
    claims: Claims = await claims_of("two")
    return claims


async def test_a_bulk_that_waits_for_one_more_document_is_not_looked_at_anew_for_each(
    queue: IndexQueue, redis: Redis, one: Claims, two: Claims
) -> None:
    # Given a bulk that shares its documents with one that is held, and the last one with another
    await enqueue(queue, "other")
    elsewhere = await claim(two)
    first = await enqueue_bulk(queue, *shared())
    held = await claim(one)
    assert ids(held) == [first.id]
    waiting = await enqueue_bulk(queue, *shared(), "other")
    assert await claim(one) == []

    # When the first one ends
    await redis.config_resetstat()
    await finish(redis, one, held)

    # Then Redis has done a few things for each document, not something for each pair of them
    assert await commands(redis) < 10 * DOCUMENTS
    assert await claim(one) == []
    await finish(redis, two, elsewhere)
    rest = await claim(one)
    assert ids(rest) == [waiting.id]
    await finish(redis, one, rest)
    assert await everything_is_free(redis)


async def test_many_bulks_on_the_same_documents_end_in_their_order(
    queue: IndexQueue, redis: Redis, one: Claims, two: Claims
) -> None:
    handles = [await enqueue_bulk(queue, *shared(500)) for _ in range(30)]
    held = await claim(one, jobs=1)
    assert await claim(two, jobs=1000) == []

    order: list[str] = []
    while held:
        order += ids(held)
        await finish(redis, one, held)
        held = await claim(one, jobs=1000)

    assert order == ids(handles)
    assert await everything_is_free(redis)


async def test_a_claim_and_a_finish_stop_at_a_number_of_documents(
    queue: IndexQueue, redis: Redis, one: Claims
) -> None:
    """A bulk of a thousand documents takes Redis as long as hundreds of other jobs do."""
    handles = [await enqueue_bulk(queue, *[f"{n}-{i}" for i in range(1000)]) for n in range(9)]

    sizes, claimed = [], []
    while found := await claim(one):
        sizes.append(len(found))
        claimed += found

    assert ids(claimed) == ids(handles)
    assert max(sizes) <= 5
    await redis.config_resetstat()
    await finish(redis, one, claimed)
    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert calls >= 2, "their reports are stored in more than one"
    assert await everything_is_free(redis)


async def test_parked_bulks_come_back_a_number_of_documents_at_a_time(queue: IndexQueue, one: Claims) -> None:
    handles = [await enqueue_bulk(queue, *[f"{n}-{i}" for i in range(2500)]) for n in range(3)]
    for _ in handles:
        await one.park("index:products", FULL, await claim(one))

    assert [await one.unpark("index:products", 500) for _ in range(3)] == [2, 1, 0]


async def test_a_parked_job_whose_payload_was_removed_closes_none_of_its_documents(
    queue: IndexQueue, redis: Redis, one: Claims, two: Claims
) -> None:
    # Given a job behind it, which is aside as well
    removed = await enqueue_bulk(queue, "a", "b")
    await one.park("delete:products", FULL, await claim(one))
    aside, both = await enqueue_bulk(queue, "b"), await enqueue_bulk(queue, "c", "a")
    assert await claim(one) == []

    # When its payload is removed by hand and it comes back
    await redis.delete(f"arq:job:{removed.id}")
    assert await one.unpark("delete:products", 500) == 1
    (found,) = await claim(two)
    assert (found.id.decode(), found.raw) == (removed.id, b"")
    await finish(redis, two, [found])
    (later,) = await enqueue(queue, "b")

    # Then those behind it come back with the next look for such jobs
    found_behind = []
    async with asyncio.timeout(10):
        while len(found_behind) < 3:
            await two.reap()
            taken = await claim(two)
            found_behind += ids(taken)
            await finish(redis, two, taken)
    assert set(found_behind) == {aside.id, both.id, later.id}
    assert found_behind.index(aside.id) < found_behind.index(later.id)
    assert await everything_is_free(redis)


async def test_a_suspect_whose_payload_was_removed_closes_its_document_to_no_other_suspect(
    queue: IndexQueue, redis: Redis, claims_of: Any, two: Claims
) -> None:
    dead = await claims_of("dead")
    removed, behind = await enqueue(queue, "1", "1")
    await claim(dead)
    await redis.delete("penstock:arq:queue:worker:dead")
    await two.reap()
    await redis.delete(f"arq:job:{removed.id}")

    found = await claim_suspects(two)

    assert [(job.id.decode(), bool(job.raw)) for job in found] == [(removed.id, False), (behind.id, True)]
    await finish(redis, two, found)
    assert not [key for key in await redis.keys("penstock:*:aside*") if await redis.zrange(key, 0, -1)]
