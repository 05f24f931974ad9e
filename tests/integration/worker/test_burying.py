"""The function that turns a job into a dead letter: what it keeps, for how long, and what makes room."""

from __future__ import annotations

import json

import pytest
from redis.asyncio import Redis

from jobs import DeadKind, IndexQueue, keys
from tests.dead_letters import DEAD, QUEUE, bury, rejected


async def letters(redis: Redis) -> list[str]:
    """The ids of what is buried, oldest first."""
    return [id.decode() for id in await redis.zrange(DEAD, 0, -1)]


async def total_bytes(redis: Redis) -> int:
    return int(await redis.hget(f"{DEAD}-bytes", "total") or 0)


async def put(redis: Redis, id: str, raw: bytes | str = "raw") -> None:
    await redis.set(keys.JOB_PREFIX + id, raw)


async def test_a_job_is_moved_with_the_very_bytes_that_were_stored(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.index(index="products", id="42", document={"name": "Größe\n\0"})
    raw = await redis.get(keys.JOB_PREFIX + handle.id)

    await bury(redis, handle, rejected(), kind=DeadKind.REJECTED, tries=3, died_ms=1_795_231_312_209)

    assert await redis.hgetall(f"{DEAD}:{handle.id}") == {
        b"kind": b"rejected",
        b"name": b"index",
        b"reason": json.dumps(rejected().to_wire()).encode(),
        b"died_ms": b"1795231312209.000",
        b"tries": b"3",
        b"raw": raw,
    }
    assert await redis.zrange(DEAD, 0, -1, withscores=True) == [(handle.id.encode(), 1_795_231_312_209.0)]
    assert not await redis.exists(keys.JOB_PREFIX + handle.id, QUEUE)


@pytest.mark.parametrize("raw", [b"\x80\x04}.", b"\xff\x00", b"", b"x" * 1_000_000])
async def test_any_bytes_are_kept(redis: Redis, raw: bytes) -> None:
    await put(redis, "a", raw)

    await bury(redis, "a", kind=DeadKind.UNREADABLE)

    assert await redis.hget(f"{DEAD}:a", "raw") == raw


async def test_a_job_whose_payload_is_gone_or_is_no_string_is_buried_all_the_same(redis: Redis) -> None:
    await redis.rpush(keys.JOB_PREFIX + "list", "x")

    for id in ("gone", "list"):
        await bury(redis, id, kind=DeadKind.UNREADABLE)

    assert await letters(redis) == ["gone", "list"]
    assert [await redis.hget(f"{DEAD}:{id}", "raw") for id in ("gone", "list")] == [b"", b""]
    assert not await redis.exists(keys.JOB_PREFIX + "list")


async def test_an_id_that_is_no_utf8_is_buried(redis: Redis) -> None:
    await redis.set(keys.JOB_PREFIX.encode() + b"\xff id", b"raw")

    await bury(redis, b"\xff id", kind=DeadKind.UNREADABLE)

    assert await redis.zrange(DEAD, 0, -1) == [b"\xff id"]
    assert await redis.hget(DEAD.encode() + b":\xff id", "raw") == b"raw"


async def test_deaths_of_one_moment_have_times_in_their_order(redis: Redis) -> None:
    for number in range(300):
        await bury(redis, str(number), died_ms=1_795_231_312_209)
    await bury(redis, "clock set back", died_ms=1_000_000)

    assert await letters(redis) == [*map(str, range(300)), "clock set back"]
    times = [score for _, score in await redis.zrange(DEAD, 0, -1, withscores=True)]
    assert len(set(times)) == 301
    assert times[-1] - times[0] == pytest.approx(0.3, abs=0.001)


async def test_a_letter_ends_by_itself_and_what_is_left_of_it_with_the_next_death(redis: Redis) -> None:
    await put(redis, "short", "x" * 1_000)
    await bury(redis, "short", ttl_ms=60_000)
    assert 0 < await redis.pttl(f"{DEAD}:short") <= 60_000

    await redis.delete(f"{DEAD}:short")  # what the time to live comes to
    await bury(redis, "next")

    assert await letters(redis) == ["next"]
    assert await redis.hlen(f"{DEAD}-bytes") == 2
    assert await total_bytes(redis) < 1_000


async def test_beyond_the_number_the_oldest_go(redis: Redis) -> None:
    dropped = [await bury(redis, str(number), most=3) for number in range(5)]

    assert dropped == [0, 0, 0, 1, 1]
    assert await letters(redis) == ["2", "3", "4"]
    assert not await redis.exists(f"{DEAD}:0", f"{DEAD}:1")

    assert await bury(redis, "5", most=1) == 3
    assert await letters(redis) == ["5"]


async def test_a_number_of_none_keeps_none_and_takes_the_payload_all_the_same(redis: Redis) -> None:
    await put(redis, "a")

    assert await bury(redis, "a", most=0) == 1

    assert await letters(redis) == []
    assert await redis.keys(f"{DEAD}:*") == []
    assert not await redis.exists(keys.JOB_PREFIX + "a")
    assert await total_bytes(redis) == 0


async def test_beyond_the_bytes_the_oldest_go_and_the_latest_stays_whatever_it_weighs(redis: Redis) -> None:
    for number in range(4):
        await put(redis, str(number), "x" * 1_000)
    dropped = [await bury(redis, str(number), most_bytes=4_000) for number in range(4)]
    assert dropped == [0, 0, 0, 1]
    assert await letters(redis) == ["1", "2", "3"]

    await put(redis, "large", "x" * 10_000)
    assert await bury(redis, "large", most_bytes=4_000) == 3
    assert await letters(redis) == ["large"]
    await put(redis, "small", "x" * 1_000)
    assert await bury(redis, "small", most_bytes=4_000) == 1
    assert await letters(redis) == ["small"]


async def test_an_id_that_dies_again_has_its_latest_letter_and_is_counted_once(redis: Redis) -> None:
    await put(redis, "a", "x" * 1_000)
    await bury(redis, "a", rejected("first"))
    await bury(redis, "b")
    await put(redis, "a", "second")

    await bury(redis, "a", rejected("other"), kind=DeadKind.CRASHER)

    assert await letters(redis) == ["b", "a"]
    assert await redis.hmget(f"{DEAD}:a", "kind", "raw") == [b"crasher", b"second"]
    assert await total_bytes(redis) < 1_000
