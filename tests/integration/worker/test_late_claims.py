"""A claim that was given up, and arrives when its worker has gone on: nobody would know what it took."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs import IndexQueue, keys
from tests.claiming import claim, claim_suspects, die, enqueue, everything_is_free, finish, ids
from worker.claims import Claims
from worker.scripts import script

NUMBERS = keys.claim_numbers(keys.DEFAULT_QUEUE)


class Slow(Redis):
    """A connection that may be held up: what is sent then arrives later, when its sender has given it up."""

    held_up = False
    on_its_way: tuple[Any, ...] = ()

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        if not self.held_up:
            return await super().execute_command(*command, **options)
        self.held_up, self.on_its_way = False, command
        raise RedisTimeoutError("no answer")

    async def arrive(self) -> Any:
        """Redis's answer to what was held up."""
        return await super().execute_command(*self.on_its_way)


@pytest.fixture
async def slow(redis_url: str, redis: Redis) -> AsyncIterator[Slow]:
    await redis.script_flush()
    for name in ("claim", "claim_suspects"):
        await redis.script_load(script(name))
    async with Slow.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def one(redis: Redis, slow: Slow) -> Claims:
    claims = Claims(redis, slow, keys.DEFAULT_QUEUE, "one")
    await claims.beat(30, b"{}", register=True)
    return claims


async def test_one_that_arrives_after_its_worker_has_looked_for_it_takes_nothing(
    queue: IndexQueue, redis: Redis, one: Claims, slow: Slow
) -> None:
    handles = await enqueue(queue, "1", "2")
    slow.held_up = True
    with pytest.raises(RedisTimeoutError):
        await claim(one)
    assert await one.forgotten([]) == []

    assert await slow.arrive() == [0, 0]

    assert await everything_is_free(redis)
    assert ids(await claim(one)) == ids(handles)


async def test_one_that_arrives_after_the_next_claim_takes_nothing(
    queue: IndexQueue, one: Claims, slow: Slow
) -> None:
    first, second = await enqueue(queue, "1", "2")
    slow.held_up = True
    with pytest.raises(RedisTimeoutError):
        await claim(one, jobs=1)
    assert ids(await claim(one, jobs=1)) == [first.id]

    assert await slow.arrive() == [0, 0]

    assert await one.forgotten([first.id.encode()]) == []
    assert ids(await claim(one)) == [second.id]


async def test_one_of_suspects_takes_nothing_either(
    queue: IndexQueue, redis: Redis, claims_of: Any, one: Claims, slow: Slow
) -> None:
    dead = await claims_of("dead")
    handles = await enqueue(queue, "1")
    await claim(dead)
    await die(redis, dead, one)
    slow.held_up = True
    with pytest.raises(RedisTimeoutError):
        await claim_suspects(one)
    assert await one.forgotten([]) == []

    assert await slow.arrive() == [0, 0]

    assert await redis.zcard(one.claimed_set) == 0
    assert ids(await claim_suspects(one)) == ids(handles)


async def test_one_that_was_executed_and_not_answered_is_found_as_before(
    queue: IndexQueue, redis: Redis, one: Claims, slow: Slow
) -> None:
    (handle,) = await enqueue(queue, "1")
    slow.held_up = True
    with pytest.raises(RedisTimeoutError):
        await claim(one)
    await slow.arrive()

    assert await one.release(await one.forgotten([])) == 1

    taken = await claim(one)
    assert ids(taken) == [handle.id]
    await finish(redis, one, taken)
    assert await everything_is_free(redis)


async def test_a_claim_whose_script_redis_has_lost_is_made_again_under_its_number(
    queue: IndexQueue, redis: Redis, one: Claims
) -> None:
    handles = await enqueue(queue, "1")
    await redis.script_flush()

    assert ids(await claim(one)) == ids(handles)


async def test_the_number_of_its_latest_claim_goes_with_the_worker(
    queue: IndexQueue, redis: Redis, claims_of: Any, one: Claims, slow: Slow
) -> None:
    two = await claims_of("two")
    await claim(one)
    await claim(two)
    slow.held_up = True
    with pytest.raises(RedisTimeoutError):
        await claim(one)
    assert await redis.zrange(NUMBERS, 0, -1) == [b"one", b"two"]

    await one.reap(leaving="one")
    await die(redis, two, one)
    handles = await enqueue(queue, "1")

    assert await slow.arrive() == -1
    assert await one.forgotten([]) == []
    assert not await redis.exists(NUMBERS)
    assert (await handles[0].status()).value == "queued"
