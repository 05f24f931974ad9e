"""What one round of a measurement gives, and what several of them say. Values only: no clock, no process."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Who uses processor time. The producer is the program that enqueues or, for a reference, sends."""

    ELASTICSEARCH = "Elasticsearch"
    REDIS = "Redis"
    WORKER = "worker"
    PRODUCER = "producer"


@dataclass(frozen=True)
class Reading:
    """One round: a rate (per second) or a time (ms), and processor time in µs per unit where measured."""

    value: float
    microseconds: Mapping[Role, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Title:
    """What a row compares. `key` names it in the JSON file; `less_is_better` where it is a time.

    `goal` is what the ratio is to reach (or stay below); None where the row only informs.
    """

    key: str
    figure: str
    reference: str
    unit: str
    goal: float | None = None
    less_is_better: bool = False


@dataclass(frozen=True)
class Measured:
    """All rounds of one row: the figure's and, round by round beside them, the reference's."""

    title: Title
    readings: tuple[Reading, ...]
    references: tuple[Reading, ...]

    @property
    def median(self) -> float:
        """The figure's median."""
        return median(self.readings)

    @property
    def reference_median(self) -> float:
        """The reference's median."""
        return median(self.references)

    @property
    def ratio(self) -> float:
        """Median of the ratios, round by round: a machine that slows down slows both."""
        pairs = zip(self.readings, self.references, strict=True)
        return statistics.median(reading.value / reference.value for reading, reference in pairs)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        goal = self.title.goal
        if goal is None:
            return None
        return self.ratio <= goal if self.title.less_is_better else self.ratio >= goal


def median(readings: Sequence[Reading]) -> float:
    """The median of the values."""
    return statistics.median(reading.value for reading in readings)


def median_microseconds(readings: Sequence[Reading]) -> dict[Role, float]:
    """Each role's median; roles that were not measured in every round are left out."""
    measured = [role for role in Role if all(role in reading.microseconds for reading in readings)]
    return {role: statistics.median(reading.microseconds[role] for reading in readings) for role in measured}
