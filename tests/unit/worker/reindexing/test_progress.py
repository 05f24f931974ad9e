"""How fast a copy goes, and how long it will take."""

import pytest

from worker.reindexing.progress import Rate, remaining_seconds


def rate_of(*seen: tuple[float, int]) -> float:
    rate = Rate()
    for now, done in seen:
        rate.saw(now, done)
    return rate.per_second


def test_one_look_is_no_rate() -> None:
    assert rate_of((5.0, 100)) == 0.0


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    assert rate_of((0.0, 0), (1.0, 100)) == 100.0
    assert rate_of((0.0, 0), (1.0, 10_000), (12.0, 10_110)) == 10.0


def test_a_slice_that_begins_again_begins_the_rate_anew() -> None:
    assert rate_of((0.0, 0), (1.0, 500), (2.0, 300), (3.0, 350)) == 50.0


@pytest.mark.parametrize(
    ("total", "done", "rate", "seconds"),
    [(100, 50, 10.0, 5.0), (100, 100, 10.0, 0.0), (100, 120, 0.0, 0.0), (100, 50, 0.0, None)],
)
def test_the_time_that_remains(total: int, done: int, rate: float, seconds: float | None) -> None:
    assert remaining_seconds(total, done, rate) == seconds
