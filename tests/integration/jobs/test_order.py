"""The number that a job takes at enqueue: one line for all producers, and the queue stands in its order."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from redis.asyncio import Redis

from jobs import (
    BulkWrite,
    DeleteDocument,
    IndexDocument,
    IndexQueue,
    JobHandle,
    LoadDocuments,
    ReindexAlias,
    keys,
)
from jobs.envelope import document_key, split


async def queued(redis: Redis, queue: str = keys.DEFAULT_QUEUE) -> list[tuple[str, float]]:
    """Id and score of every job, in the order in which workers take them."""
    return [(id.decode(), score) for id, score in await redis.zrange(queue, 0, -1, withscores=True)]


async def numbers(redis: Redis, ids: list[str]) -> list[int]:
    stored = [split(raw).number for raw in await redis.mget([keys.JOB_PREFIX + id for id in ids])]
    assert None not in stored
    return [number for number in stored if number is not None]


def document(id: int) -> IndexDocument:
    return IndexDocument(index="products", id=str(id), document={"n": id})


async def test_concurrent_producers_share_one_strictly_rising_line(redis: Redis, redis_url: str) -> None:
    async def produce(producer: int) -> list[JobHandle]:
        async with IndexQueue(redis_url) as queue:
            return [await queue.enqueue(document(producer * 1_000 + n)) for n in range(200)]

    produced = await asyncio.gather(*(produce(n) for n in range(5)))

    ids = [id for id, _ in await queued(redis)]
    scores = [score for _, score in await queued(redis)]
    assert sorted(ids) == sorted(handle.id for handles in produced for handle in handles)
    assert all(a < b for a, b in pairwise(scores))
    taken = await numbers(redis, ids)
    assert all(a < b for a, b in pairwise(taken))
    assert [round(score * 1_000) for score in scores] == taken
    place = {id: at for at, id in enumerate(ids)}
    for handles in produced:
        places = [place[handle.id] for handle in handles]
        assert places == sorted(places), "a producer's own jobs stand in its own order"


async def test_numbers_are_microseconds_of_redis_clock(redis: Redis, queue: IndexQueue) -> None:
    seconds, micros = await redis.time()
    handle = await queue.enqueue(document(1))
    after_seconds, after_micros = await redis.time()

    (number,) = await numbers(redis, [handle.id])
    assert seconds * 1_000_000 + micros <= number <= after_seconds * 1_000_000 + after_micros


async def test_each_action_takes_one_number(redis: Redis, queue: IndexQueue) -> None:
    ahead = int((time.time() + 3_600) * 1_000_000)  # no clock in between: each number is the last plus one
    await redis.set(keys.LAST_NUMBER, ahead)
    actions = tuple(DeleteDocument(index="products", id=str(n)) for n in range(7))

    handles = await queue.enqueue_many(
        [
            document(1),
            BulkWrite(index="products", actions=actions),
            ReindexAlias(alias="products"),
            document(2),
        ]
    )

    assert await numbers(redis, [handle.id for handle in handles]) == [ahead + n for n in (1, 2, 9, 10)]
    assert int(await redis.get(keys.LAST_NUMBER)) == ahead + 10


async def test_a_load_has_a_place_in_the_queue_and_gets_its_number_from_a_worker(
    redis: Redis, queue: IndexQueue
) -> None:
    handles = await queue.enqueue_many(
        [document(1), LoadDocuments(source="shop", ids=("1", "2")), document(2)]
    )

    first, second = await numbers(redis, [handles[0].id, handles[2].id])
    assert split(await redis.get(keys.JOB_PREFIX + handles[1].id)).number is None
    assert first / 1000 < await redis.zscore("arq:queue", handles[1].id) < second / 1000


async def test_numbers_go_on_when_the_clock_goes_back(redis: Redis, queue: IndexQueue) -> None:
    first = await queue.enqueue(document(1))
    ahead = (await numbers(redis, [first.id]))[0] + 60_000_000
    await redis.set(keys.LAST_NUMBER, ahead)

    second = await queue.enqueue(document(1))

    assert await numbers(redis, [second.id]) == [ahead + 1]


async def test_two_queues_share_one_line(redis: Redis, redis_url: str, queue: IndexQueue) -> None:
    ahead = int((time.time() + 3_600) * 1_000_000)
    await redis.set(keys.LAST_NUMBER, ahead)
    async with IndexQueue(redis_url, queue="other") as other:
        handles = [await one.enqueue(document(1)) for one in (queue, other, queue)]

    assert await numbers(redis, [handle.id for handle in handles]) == [ahead + 1, ahead + 2, ahead + 3]
    assert [id for id, _ in await queued(redis, "other")] == [handles[1].id]


async def test_the_first_line_names_every_document_and_the_job_never_expires(
    redis: Redis, queue: IndexQueue
) -> None:
    actions = tuple(DeleteDocument(index="products", id=id) for id in ("1", "é", "1"))
    handle = await queue.bulk(index="products", actions=actions)

    stored = split(await redis.get(keys.JOB_PREFIX + handle.id))
    assert stored.document_keys == tuple(document_key("products", id) for id in ("1", "é", "1"))
    assert await redis.ttl(keys.JOB_PREFIX + handle.id) == -1
