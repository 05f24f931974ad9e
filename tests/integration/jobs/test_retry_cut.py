"""A retry whose connection is cut, or whose dead letter is replaced meanwhile: one job, the right payload."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import Enqueued, IndexQueue, keys
from tests.dead_letters import DEAD, QUEUE, bury, dead_index


@pytest.mark.parametrize("side", ["requests_to_cut", "replies_to_cut"])
@pytest.mark.parametrize("cuts", [1, 2, 3])
async def test_a_cut_connection_neither_loses_nor_doubles_a_retry(
    redis: Redis, queue: IndexQueue, cut_queue: IndexQueue, proxy: Any, side: str, cuts: int
) -> None:
    olds = [await dead_index(redis, queue, str(n)) for n in range(3)]
    setattr(proxy, side, cuts)

    retries = await cut_queue.dead_letters.retry([old.id for old in olds])

    assert proxy.cuts == cuts
    assert retries.refused == {}
    assert {type(job) for job in retries.jobs.values()} == {Enqueued}
    assert await redis.zrange(QUEUE, 0, -1) == [retries.jobs[old.id].id.encode() for old in olds]
    assert await redis.zcard(DEAD) == 0


async def test_a_letter_that_was_replaced_since_it_was_read_is_not_retried_with_the_old_payload(
    redis: Redis, queue: IndexQueue, cut_queue: IndexQueue, proxy: Any
) -> None:
    old = await dead_index(redis, queue)

    async def die_again() -> None:
        await redis.set(keys.JOB_PREFIX + old.id, "a later payload")
        await bury(redis, old)

    # Given that the id dies again while the retry script's call is being repeated
    proxy.on_cut, proxy.requests_to_cut = die_again, 0
    reader = cut_queue.dead_letters
    raws = reader._reader.raws
    retrier = reader._retrier(keep_number=False)

    async def read_and_cut(letters: Any) -> Any:
        found = await raws(letters)
        proxy.requests_to_cut = 1
        return found

    retrier._reader.raws = read_and_cut  # type: ignore[method-assign]
    await retrier.take(await reader.list())

    assert proxy.cuts == 1
    assert (retrier.jobs, list(retrier.refused)) == ({}, [old.id])
    assert (await queue.dead_letters.show(old.id)).raw == b"a later payload"
    assert await redis.zcard(QUEUE) == 0
