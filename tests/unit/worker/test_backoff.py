"""Delays between tries: their bounds, their growth, and no overflow however many tries there were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.backoff import Backoff


def test_given_full_chance_then_the_delay_doubles_up_to_the_longest() -> None:
    backoff = Backoff(initial=0.1, longest=5.0, random=lambda: 1.0)

    delays = [backoff.delay(n) for n in range(1, 9)]

    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_given_a_cluster_that_asks_for_patience_then_the_delay_has_a_floor() -> None:
    least = Backoff(0.1, 5.0, lambda: 0.0)
    most = Backoff(0.1, 5.0, lambda: 1.0)

    assert [least.patient_delay(n) for n in (1, 2, 9)] == pytest.approx([0.1, 0.1, 0.1])
    assert [most.patient_delay(n) for n in range(1, 9)] == pytest.approx(
        [0.2, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    )


def test_given_a_longest_delay_that_is_also_the_first_then_patience_is_no_longer_than_that() -> None:
    assert Backoff(0.1, 0.1, lambda: 0.9).patient_delay(7) == pytest.approx(0.1)


def test_given_no_chance_then_there_is_no_delay() -> None:
    assert Backoff(0.1, 5.0, lambda: 0.0).delay(9) == 0.0


@settings(deadline=None)
@given(
    chance=st.floats(0, 1, exclude_max=True),
    initial=st.floats(1e-6, 10),
    more=st.floats(1, 1e9),
    troubles=st.integers(1, 10**9),
)
def test_the_delay_is_within_its_bounds_for_any_number_of_troubles(
    chance: float, initial: float, more: float, troubles: int
) -> None:
    longest = initial * more
    backoff = Backoff(initial, longest, lambda: chance)
    delay = backoff.delay(troubles)

    assert 0 <= delay <= longest
    assert troubles > 1 or delay <= initial
    assert troubles < 100 or delay == chance * min(longest, initial * 2**30)
    assert delay <= backoff.patient_delay(troubles) <= longest
    assert backoff.patient_delay(troubles) >= initial
