"""The claim, finish, release and reap scripts on a real Redis: their contracts, one by one."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import IndexQueue, JobStatus
from tests.claiming import claim, claim_suspects, enqueue, everything_is_free, finish, ids, release
from worker.claims import LeaseLost


async def test_a_claim_takes_jobs_in_the_order_of_their_enqueue(queue: IndexQueue, claims_of: Any) -> None:
    one = await claims_of("one")
    handles = await enqueue(queue, *map(str, range(300)))

    first, rest = await claim(one, 100), await claim(one, 1000)

    assert ids(first) + ids(rest) == ids(handles)
    assert [job.score for job in first + rest] == sorted(job.score for job in first + rest)


async def test_a_claimed_job_says_so_and_comes_with_its_payload(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one = await claims_of("one")
    (handle,) = await enqueue(queue, "1")
    stored = await redis.get(f"arq:job:{handle.id}")

    (job,) = await claim(one)

    assert job.raw == stored
    assert job.admitted
    assert await handle.status() is JobStatus.IN_PROGRESS
    assert await redis.get(f"arq:in-progress:{handle.id}") == b"one"
    assert await claim(one) == []


async def test_a_claim_stops_at_a_count_at_bytes_and_at_functions(queue: IndexQueue, claims_of: Any) -> None:
    one = await claims_of("one")
    await enqueue(queue, "1", "2", "3")

    assert len(await claim(one, jobs=2)) == 2
    assert len(await claim(one, max_bytes=1)) == 1

    await queue.reindex(alias="1")
    await queue.reindex(alias="2")
    written = await enqueue(queue, "4")
    assert ids(await claim(one, functions=0)) == ids(written)
    assert len(await claim(one, functions=1)) == 1


async def test_a_deferred_job_is_left_alone(queue: IndexQueue, redis: Redis, claims_of: Any) -> None:
    one = await claims_of("one")
    (handle,) = await enqueue(queue, "1")
    await redis.zincrby("arq:queue", 3_600_000, handle.id)

    assert await claim(one) == []
    assert await handle.status() is JobStatus.DEFERRED


async def test_one_worker_may_hold_several_jobs_of_a_document(queue: IndexQueue, claims_of: Any) -> None:
    one = await claims_of("one")
    handles = await enqueue(queue, "1", "1", "2", "1")

    assert ids(await claim(one)) == ids(handles)


async def test_a_document_held_by_another_worker_is_passed_over(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    first, held, free = await enqueue(queue, "1", "1", "2")
    taken = await claim(one, jobs=1)

    assert ids(taken) == [first.id]
    assert ids(await claim(two)) == [free.id]
    assert await held.status() is JobStatus.QUEUED
    await finish(redis, one, taken)
    assert ids(await claim(two)) == [held.id]


async def test_a_job_that_was_passed_over_closes_its_documents_to_later_ones(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    """Document b is free, but a bulk on a and b waits for a: a later write of b must not overtake it."""
    one, two = await claims_of("one"), await claims_of("two")
    (first,) = await enqueue(queue, "a")
    actions = [{"op": "delete", "id": id} for id in ("a", "b")]
    both = await queue.bulk(index="products", actions=actions)
    later, last = await enqueue(queue, "b", "c")
    taken = await claim(one, jobs=1)
    assert ids(taken) == [first.id]

    assert ids(await claim(two)) == [last.id]
    assert await claim(two) == []

    await finish(redis, one, taken)
    taken = await claim(two)
    assert ids(taken) == [both.id]
    await finish(redis, two, taken)
    assert ids(await claim(two)) == [later.id]


async def test_a_job_that_waits_for_a_document_keeps_its_place(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    handles = await enqueue(queue, *["hot"] * 30)
    taken = await claim(one, jobs=1)
    assert await claim(two) == []
    handles += await enqueue(queue, "hot")

    await finish(redis, one, taken)

    assert ids(await claim(two)) == ids(handles[1:])


async def test_a_hot_document_does_not_fill_a_worker_up(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one = await claims_of("one")
    hot = await enqueue(queue, *["hot"] * 200)
    cold = await enqueue(queue, "cold")

    order: list[str] = []
    taken = await claim(one, 1000)
    assert cold[0].id in ids(taken)
    assert len(taken) < 100
    while taken:
        order += ids(taken)
        await finish(redis, one, taken)
        taken = await claim(one, 1000)

    order.remove(cold[0].id)
    assert order == ids(hot)
    assert await everything_is_free(redis)


async def test_finish_stores_results_and_leaves_nothing_behind(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one = await claims_of("one")
    handles = await enqueue(queue, "1", "1", "2")

    await finish(redis, one, await claim(one))

    assert [await handle.status() for handle in handles] == [JobStatus.COMPLETE] * 3
    assert await redis.keys("arq:job:*") == []
    assert await redis.zcard("arq:queue") == 0
    assert 0 < await redis.pttl(f"arq:result:{handles[0].id}") <= 60_000
    assert await everything_is_free(redis)


async def test_finish_drops_what_the_worker_does_not_own(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    (handle,) = await enqueue(queue, "1")
    taken = await claim(one)
    await one.reap(leaving="one")
    again = await claim(two)

    await finish(redis, one, taken, b'"from one"')
    assert await handle.status() is JobStatus.IN_PROGRESS
    assert await redis.get("arq:result:" + handle.id) is None
    await finish(redis, two, again, b'"from two"')
    await finish(redis, two, again, b'"from two again"')
    assert await redis.get("arq:result:" + handle.id) == b'"from two"'
    assert await everything_is_free(redis)


async def test_release_puts_jobs_back_where_they_were_or_later(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    handles = await enqueue(queue, "1", "2", "3")
    taken = await claim(one)

    assert await release(one, taken[:2]) == 2
    assert await release(one, taken[:2]) == 0
    assert ids(await claim(two)) == ids(handles[:2])
    assert await release(one, taken[2:], taken[2].score + 3_600_000) == 1
    assert await handles[2].status() is JobStatus.DEFERRED
    assert await claim(two) == []


async def test_reap_gives_a_dead_workers_jobs_back_at_the_scores_they_had(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, two = await claims_of("dead", lease_seconds=0.05), await claims_of("two")
    handles = await enqueue(queue, "1", "2", "1")
    before = await redis.zrange("arq:queue", 0, -1, withscores=True)
    await claim(dead, jobs=2)
    async with asyncio.timeout(5):
        while not (reaped := await two.reap()):  # noqa: ASYNC110 - no event tells of an expiry
            await asyncio.sleep(0.01)

    assert reaped == {"dead": 2}
    assert await two.reap() == {}
    assert [await handle.status() for handle in handles] == [JobStatus.QUEUED] * 3
    assert await claim(two) == []  # the third waits behind the first, a suspect (test_suspects.py)
    again = await claim_suspects(two)
    assert [(job.id, job.score) for job in again] == before[:2]
    await finish(redis, two, again)
    assert ids(await claim(two)) == ids(handles[2:])


async def test_reap_leaves_live_workers_alone(queue: IndexQueue, claims_of: Any) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    await enqueue(queue, "1")
    taken = await claim(one)

    assert await two.reap() == {}
    assert await claim(two) == []
    assert len(taken) == 1


async def test_a_worker_that_was_reaped_has_lost_its_lease(queue: IndexQueue, claims_of: Any) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    (handle,) = await enqueue(queue, "1")
    taken = await claim(one)
    await two.reap(leaving="one")

    with pytest.raises(LeaseLost):
        await one.beat(30, b"{}")
    with pytest.raises(LeaseLost):
        await claim(one)
    assert await release(one, taken) == 0
    assert await handle.status() is JobStatus.QUEUED


async def test_jobs_of_a_claim_whose_answer_was_lost_are_found_and_put_back(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one = await claims_of("one")
    known, lost = await enqueue(queue, "1", "2")
    await claim(one)

    forgotten = await one.forgotten([known.id.encode()])
    assert [id.decode() for id, _, _ in forgotten] == [lost.id]
    assert await one.release(forgotten) == 1
    assert await one.forgotten([known.id.encode()]) == []
    assert ids(await claim(one)) == [lost.id]


async def test_the_tries_of_a_function_are_counted_and_a_release_takes_its_try_back(
    queue: IndexQueue, claims_of: Any
) -> None:
    one = await claims_of("one")
    await queue.reindex(alias="products")

    tries = []
    for score in (None, 1.0, None):
        taken = await claim(one)
        tries.append(taken[0].attempt)
        await release(one, taken, score)

    assert tries == [1, 1, 2]
