"""When Elasticsearch counts as warm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import pytest

from benchmarks.warm_up import JIT_DOCUMENTS, is_steady, rounds_before, warm_up


def measuring(rates: Iterable[float]) -> Callable[[], Awaitable[float]]:
    following = iter(rates)

    async def measure() -> float:
        return next(following)

    return measure


async def test_it_ends_when_two_rounds_in_a_row_are_alike() -> None:
    assert await warm_up(measuring([10, 20, 30, 31, 99]), before=0) == [10, 20, 30, 31]


async def test_rounds_that_are_alike_too_early_do_not_end_it() -> None:
    # Cold, both are slow: the compiler has not seen enough yet.
    assert await warm_up(measuring([10, 10, 20, 30, 30]), before=3) == [10, 10, 20, 30, 30]


async def test_a_machine_that_is_never_steady_is_measured_all_the_same() -> None:
    unsteady = [10.0, 20.0] * 50

    assert await warm_up(measuring(unsteady), before=3) == unsteady[:13]


@pytest.mark.parametrize(
    ("rates", "steady"),
    [([100, 95.1], True), ([95.1, 100], True), ([100, 95], False), ([100], False), ([], False)],
)
def test_alike_is_less_than_five_percent_apart(rates: list[float], steady: bool) -> None:
    assert is_steady(rates) is steady


def test_the_compiler_sees_its_documents_before_the_first_look() -> None:
    assert rounds_before(100_000) * 100_000 >= JIT_DOCUMENTS
    assert rounds_before(20_000) * 20_000 >= JIT_DOCUMENTS


def test_a_tiny_run_is_not_warmed_up_for_minutes() -> None:
    assert rounds_before(10) == 15
