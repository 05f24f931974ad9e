"""Outcomes to report: what became of one job, from what became of each of its actions. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from jobs.outcomes import Outcome
from jobs.report import Rejection, Report

from .actions import Action
from .answers import Settled


class Result(NamedTuple):
    """The final word on one action, with the request that brought it; ``""`` where none carried it."""

    action: Action
    settled: Settled
    attempts: int
    batch: str


def report_of(results: Sequence[Result], *, bulk: bool, waited_ms: float, took_ms: float) -> Report:
    """The report of a job with these results, in the order of its actions."""
    rejected = tuple(_rejection(i, r) for i, r in enumerate(results) if r.settled.outcome is Outcome.REJECTED)
    last = results[-1]
    if bulk:
        return Report(
            outcome=Outcome.REJECTED if rejected else None,
            index=last.action.index,
            attempts=max(result.attempts for result in results),
            batch=last.batch or None,
            waited_ms=waited_ms,
            took_ms=took_ms,
            counts=dict(Counter(str(result.settled.outcome) for result in results)),
            rejected=rejected,
        )
    return Report(
        outcome=last.settled.outcome,
        index=last.action.index,
        id=last.action.id,
        version=last.settled.version,
        seq_no=last.settled.seq_no,
        attempts=last.attempts,
        batch=last.batch or None,
        waited_ms=waited_ms,
        took_ms=took_ms,
        rejected=rejected,
    )


def _rejection(position: int, result: Result) -> Rejection:
    return Rejection(
        type=result.settled.type or "unknown",
        reason=result.settled.reason or "",
        index=result.action.index,
        id=result.action.id,
        position=position,
    )
