"""The two marks of what a process holds: claiming stops at the high one and goes on at the low one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from worker.claims import Claimed
from worker.holding import Holding

Turns = Callable[[], Awaitable[None]]


def job(id: int, size: int = 10) -> Claimed:
    return Claimed(str(id).encode(), float(id), b"x" * size, b"", 0)


async def has_room(holding: Holding, turns: Turns) -> bool:
    waiting = asyncio.ensure_future(holding.room())
    await turns()
    waiting.cancel()
    return waiting.done()


async def test_given_nothing_held_then_all_may_be_claimed() -> None:
    assert await Holding(4, 1000).room() == (4, 1000)


async def test_given_some_held_then_the_rest_may_be_claimed() -> None:
    holding = Holding(4, 1000)
    holding.add(job(1, 300))

    assert len(holding) == 1
    assert await holding.room() == holding.room_now() == (3, 700)


@pytest.mark.parametrize(("most_jobs", "most_bytes"), [(8, 10_000), (1000, 80)])
async def test_given_a_full_holding_when_jobs_end_then_there_is_room_from_the_low_mark_on(
    most_jobs: int, most_bytes: int, turns: Turns
) -> None:
    holding = Holding(most_jobs, most_bytes)
    for n in range(8):
        assert await has_room(holding, turns)
        holding.add(job(n))
    assert not await has_room(holding, turns)

    holding.remove(b"0")
    assert not await has_room(holding, turns)
    holding.remove(b"1")
    assert await has_room(holding, turns)


async def test_given_a_mark_of_one_when_its_job_ends_then_the_next_may_come(turns: Turns) -> None:
    holding = Holding(1, 5)
    holding.add(job(1))
    assert not await has_room(holding, turns)
    assert holding.room_now() is None

    holding.remove(b"1")

    assert await holding.room() == holding.room_now() == (1, 5)


async def test_given_someone_who_waits_for_room_when_a_job_ends_then_it_is_woken() -> None:
    holding = Holding(1, 100)
    holding.add(job(1))
    waiting = asyncio.ensure_future(holding.room())

    asyncio.get_running_loop().call_soon(holding.remove, b"1")

    assert await asyncio.wait_for(waiting, 5) == (1, 100)


def test_given_a_job_that_is_not_held_when_removed_then_nothing_changes() -> None:
    holding = Holding(2, 100)
    holding.add(job(1))

    holding.remove(b"9")

    assert (len(holding), holding.bytes) == (1, 10)
