"""A warning where more writes are superseded than the jobs of a killed worker explain."""

from collections.abc import Callable

import pytest

from tests.unit.worker.clock import Clock
from worker.superseded import Excess, SupersededRate

MINUTE = 60.0


@pytest.fixture
def minutes(clock: Clock) -> Callable[..., list[Excess | None]]:
    """What is said of each minute in which so many answers came, so many of them superseded."""
    rate = SupersededRate(clock)

    def run(*counts: tuple[int, int]) -> list[Excess | None]:
        said = []
        for answers, superseded in counts:
            said.append(rate.answered(answers, superseded))
            clock.now += MINUTE
        return said

    return run


def test_given_one_write_in_ten_for_three_minutes_then_the_third_warns(minutes: Callable[..., list]) -> None:
    assert minutes(*[(1000, 100)] * 3) == [None, None, Excess(300, 3000, 10)]


def test_given_the_jobs_of_a_killed_worker_when_they_run_again_then_nothing_is_said(
    minutes: Callable[..., list],
) -> None:
    """A burst that is over within two minutes, however large."""
    assert minutes((2000, 1900), (2000, 1900), *[(2000, 0)] * 20) == [None] * 22


def test_given_a_small_share_then_nothing_is_said(minutes: Callable[..., list]) -> None:
    assert minutes(*[(10_000, 400)] * 12) == [None] * 12


def test_given_little_traffic_when_most_of_it_is_superseded_then_it_adds_up(
    minutes: Callable[..., list],
) -> None:
    said = minutes(*[(10, 10)] * 5)

    assert said == [None] * 4 + [Excess(50, 50, 10)]


def test_given_very_few_then_their_rate_tells_nothing(minutes: Callable[..., list]) -> None:
    assert minutes(*[(2, 2)] * 30) == [None] * 30


def test_given_a_warning_when_it_goes_on_then_the_next_one_comes_after_ten_minutes(
    minutes: Callable[..., list],
) -> None:
    said = minutes(*[(1000, 1000)] * 23)

    assert [number for number, excess in enumerate(said) if excess] == [2, 12, 22]
    assert said[12] == Excess(10_000, 10_000, 10)


def test_given_many_requests_in_a_minute_then_it_counts_as_one(clock: Clock) -> None:
    rate = SupersededRate(clock)

    assert [rate.answered(500, 500) for _ in range(100)] == [None] * 100


def test_given_a_long_silence_then_what_was_before_is_forgotten(
    clock: Clock, minutes: Callable[..., list]
) -> None:
    minutes((1000, 1000), (1000, 1000))
    clock.now += 10 * MINUTE

    assert minutes((1000, 1000), (1000, 1000)) == [None, None]
