"""Medians and ratios of the rounds of a row."""

from __future__ import annotations

import pytest

from benchmarks.reading import Measured, Reading, Role, Title, median, median_microseconds


def readings(*values: float) -> tuple[Reading, ...]:
    return tuple(Reading(value) for value in values)


def row(values: tuple[Reading, ...], references: tuple[Reading, ...], **title: object) -> Measured:
    fields = {"key": "k", "figure": "f", "reference": "r", "unit": "docs/s", **title}
    return Measured(Title(**fields), values, references)  # type: ignore[arg-type]


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians() -> None:
    # A machine that is ten times slower in one round slows both: that round's ratio is like the others'.
    measured = row(readings(50, 6, 50), readings(100, 10, 100))

    assert measured.ratio == 0.5
    assert (measured.median, measured.reference_median) == (50, 100)


def test_an_even_number_of_rounds_has_the_middle_of_the_two_in_the_middle() -> None:
    assert median(readings(1, 2, 4, 100)) == 3


@pytest.mark.parametrize(
    ("goal", "less_is_better", "reached"),
    [
        (0.5, False, True),
        (0.6, False, False),
        (0.5, True, True),
        (0.4, True, False),
        (None, False, None),
        (None, True, None),
    ],
)
def test_a_goal_is_a_floor_or_for_times_a_ceiling(
    goal: float | None, less_is_better: bool, reached: bool | None
) -> None:
    measured = row(readings(50), readings(100), goal=goal, less_is_better=less_is_better)

    assert measured.reached is reached


def test_rounds_that_do_not_pair_up_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        row(readings(1, 2), readings(1)).ratio  # noqa: B018 - a property that raises


def test_processor_time_has_a_median_for_each_role_measured_in_every_round() -> None:
    rounds = [
        Reading(1, {Role.REDIS: 10, Role.WORKER: 30, Role.PRODUCER: 1}),
        Reading(1, {Role.REDIS: 20, Role.WORKER: 10, Role.PRODUCER: 1}),
        Reading(1, {Role.REDIS: 90, Role.WORKER: 20}),
    ]

    assert median_microseconds(rounds) == {Role.REDIS: 20, Role.WORKER: 20}
