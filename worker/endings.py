"""How jobs end: report or result, counted, logged, and handed to the finisher.

Knows neither the batcher nor the functions; both hand their ends in here.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from time import time

import orjson

from jobs.dead_letter import DeadKind
from jobs.outcomes import Outcome
from jobs.report import Report

from .answers import Settled
from .claims import Claimed
from .delivery import LoneDelivery, waited_ms
from .finisher import Ended, Finisher, How, Letter
from .parking import Parking
from .results import Ran, aborted_result, result_of, written_result

logger = logging.getLogger("penstock.session")


class Endings:
    """The ends of the jobs of one session on one queue."""

    def __init__(self, finisher: Finisher, parking: Parking, queue: str) -> None:
        self._finisher, self._parking, self._queue = finisher, parking, queue

    def ended(self, claimed: Claimed, result: bytes, how: How, keep_ms: int | None = None) -> None:
        """Have the end of one job stored and counted. `keep_ms`: see Ended."""
        if how is How.FAILURE:
            self._finisher.count("failed")
        self._finisher.add(Ended(claimed.id, claimed.document_keys, result, how, keep_ms))

    def reported(
        self, claimed: Claimed, name: str, enqueued_ms: int, report: Report, *, retry_of: str | None = None
    ) -> None:
        """End a job with its report. `retry_of`: the dead letter that it is a retry of."""
        if retry_of is not None:
            report = replace(report, retry_of=retry_of)
        if self._parking.any_blocked and report.index and _EXECUTED & {report.outcome, *report.counts}:
            self._parking.passed(report.index)
        self._count(report)
        if report.failed:
            first = report.rejected[0]
            # The reason may quote values of the document: it is in the report, not in the log.
            logger.warning("%s %s/%s failed: %s", name, first.index or "-", first.id or "-", first.type)
        result = result_of(self._ran(claimed, name, enqueued_ms, time(), report.took_ms), report)
        if not report.failed:
            self.ended(claimed, result, How.SUCCESS)
            return
        self._finisher.count("failed")
        letter = Letter(_kind(report), name, orjson.dumps(report.to_wire()), report.attempts)
        self._finisher.add(Ended(claimed.id, claimed.document_keys, result, How.DEAD, letter=letter))

    def settled(self, job: LoneDelivery, settled: Settled, batch: str) -> None:
        """End a job of one plain action with its answer."""
        now = time()
        if settled.outcome is Outcome.REJECTED:
            self.reported(job.claimed, "index", job.enqueued_ms, job.report(settled, batch, now))
            return
        if self._parking.any_blocked:
            self._parking.passed(job.action.index)
        self._finisher.count(settled.outcome)
        took = job.took_ms(now)
        waited = waited_ms(job.action.number, job.started)
        ran = self._ran(job.claimed, "index", job.enqueued_ms, now, took)
        result = written_result(ran, job.action, settled, job.attempts, batch, waited, took)
        self._finisher.add(Ended(job.claimed.id, job.claimed.document_keys, result, How.SUCCESS))

    def aborted(self, claimed: Claimed, name: str, enqueued_ms: int) -> None:
        """End a job that was aborted before it was started."""
        self.ended(claimed, aborted_result(self._ran(claimed, name, enqueued_ms, time(), 0)), How.FAILURE)

    def _ran(self, claimed: Claimed, name: str, enqueued_ms: int, now: float, took_ms: float) -> Ran:
        now_ms = int(now * 1000)
        return Ran(claimed.name, name, self._queue, enqueued_ms, now_ms - int(took_ms), now_ms)

    def _count(self, report: Report) -> None:
        for outcome, number in report.counts.items():
            self._finisher.count(outcome, number)
        if not report.counts and report.outcome:
            self._finisher.count(report.outcome)


# Outcomes that only an index which takes writes can give.
_EXECUTED = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.DELETED})
_KINDS = {
    "payload_missing": DeadKind.UNREADABLE,
    "unreadable_job": DeadKind.UNREADABLE,
    "unknown_job": DeadKind.UNKNOWN,
    "crashed_workers": DeadKind.CRASHER,
}


def _kind(report: Report) -> DeadKind:
    """Why a job is dead, by Penstock's own types; everything else was rejected."""
    return _KINDS.get(report.rejected[0].type, DeadKind.REJECTED)
