"""How fast a copy goes: a limit over all of its slices, and live traffic first, for a while."""

import asyncio
from collections.abc import Callable

import pytest

from worker.reindexing.pace import Pace


class Clock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        until = self.seconds + seconds
        await asyncio.sleep(0)  # others set their alarms first
        self.seconds = max(self.seconds, until)


@pytest.fixture
def clock() -> Clock:
    """See Clock."""
    return Clock()


def pace(clock: Clock, rate: float | None, busy: Callable[[], bool] = lambda: False) -> Pace:
    return Pace(rate, busy, clock.now, clock.sleep)


async def test_without_a_limit_and_live_traffic_nothing_waits(clock: Clock) -> None:
    made = pace(clock, None)
    for _ in range(10):
        await made.before(1_000_000)

    assert clock.seconds == 100.0


async def test_a_limit_holds_over_many_requests(clock: Clock) -> None:
    made = pace(clock, 1000.0)
    for _ in range(11):
        await made.before(500)

    assert clock.seconds == pytest.approx(105.0)  # the first goes at once, each other after half a second


async def test_slices_share_one_limit(clock: Clock) -> None:
    made = pace(clock, 1000.0)
    await asyncio.gather(*(made.before(500) for _ in range(11)))

    assert clock.seconds == pytest.approx(105.0)


async def test_a_slow_copy_does_not_make_up_for_lost_time(clock: Clock) -> None:
    made = pace(clock, 1000.0)
    await made.before(500)
    clock.seconds += 60
    await made.before(500)
    since = clock.seconds
    await made.before(500)

    assert clock.seconds == pytest.approx(since + 0.5)


async def test_live_traffic_goes_first(clock: Clock) -> None:
    made = pace(clock, None, busy=lambda: clock.seconds < 100.03)
    await made.before(500)

    assert 100.03 <= clock.seconds < 100.05


async def requests_side_by_side(made: Pace) -> int:
    """How many of three requests are under way at a time, at most."""
    under_way, most = 0, 0

    async def request() -> None:
        nonlocal under_way, most
        await made.before(10)
        async with made.turn():
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    await asyncio.gather(*(request() for _ in range(3)))
    return most


async def test_beside_live_traffic_requests_travel_one_by_one(clock: Clock) -> None:
    busy = True
    made = pace(clock, None, busy=lambda: busy)
    assert await requests_side_by_side(made) == 1

    busy = False  # for a while after the last one, too
    assert await requests_side_by_side(made) == 1
    clock.seconds += 2
    assert await requests_side_by_side(made) == 3


async def test_live_traffic_without_end_does_not_stop_the_copy(clock: Clock) -> None:
    made = pace(clock, None, busy=lambda: True)
    for _ in range(10):
        await made.before(500)

    assert clock.seconds == pytest.approx(101.0, abs=0.1)
