"""Which parked job is sent to see whether its index takes writes again."""

from typing import Any

from redis.asyncio import Redis

from jobs import IndexQueue
from tests.claiming import claim, enqueue, everything_is_free, finish, ids


async def test_the_probe_of_a_hot_document_is_the_first_job_on_it(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    one = await claims_of("one")
    handles = await enqueue(queue, *["hot"] * 40)
    await one.park("index:products", b"{}", await claim(one))
    assert await claim(one) == []

    assert await one.probe_parked(0.0) == {"index:products"}

    probe = await claim(one)
    assert ids(probe) == [handles[0].id]
    await finish(redis, one, probe)
    assert await one.unpark("index:products", 100) == 39
    rest = await claim(one)
    assert ids(rest) == ids(handles)[1:]
    await finish(redis, one, rest)
    assert await everything_is_free(redis)
