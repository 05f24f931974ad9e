"""How jobs end: report or result, counted, logged, and handed to the finisher.

Knows neither the batcher nor the functions; both hand their ends in here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from time import time

import orjson

from jobs.dead_letter import DeadKind
from jobs.outcomes import Outcome
from jobs.report import Report

from .answers import Settled
from .claims import CRASHER, Claimed
from .delivery import LoneDelivery, waited_ms
from .finisher import Ended, Finisher, How, Letter
from .parking import Parking
from .reports import Result
from .results import Ran, aborted_result, result_of, written_result
from .touches import Touches, touches_of
from .unread import read_touches

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
        self,
        claimed: Claimed,
        name: str,
        enqueued_ms: int,
        report: Report,
        results: Sequence[Result] = (),
        *,
        retry_of: str | None = None,
    ) -> None:
        """End a job with its report. `results`: its actions with their answers; none where it was not run.

        `retry_of`: the dead letter that it is a retry of.
        """
        if retry_of is not None:
            report = replace(report, retry_of=retry_of)
        self._count(report)
        if report.failed:
            first = report.rejected[0]
            # The reason may quote values of the document: it is in the report, not in the log.
            logger.warning("%s %s/%s failed: %s", name, first.index or "-", first.id or "-", first.type)
        result = result_of(self._ran(claimed, name, enqueued_ms, time(), report.took_ms), report)
        touches = touches_of(one.action for one in results) if results else _unread(claimed)
        if not report.failed:
            self._finisher.add(Ended(claimed.id, claimed.document_keys, result, How.SUCCESS, touches=touches))
            return
        self._finisher.count("failed")
        letter = Letter(_kind(report), name, orjson.dumps(report.to_wire()), report.attempts)
        self._finisher.add(Ended(claimed.id, claimed.document_keys, result, How.DEAD, None, letter, touches))

    def answered(self, results: Sequence[Result]) -> None:
        """Look at all answers of a job that is about to end."""
        if self._parking.any_blocked:
            for target in {one.action.target for one in results if one.settled.outcome in _EXECUTED}:
                self._parking.passed(target)

    def settled(self, job: LoneDelivery, settled: Settled, batch: str) -> None:
        """End a job of one plain action with its answer."""
        now = time()
        if settled.outcome is Outcome.REJECTED:
            results = (Result(job.action, settled, job.attempts, batch),)
            self.reported(job.claimed, "index", job.enqueued_ms, job.report(settled, batch, now), results)
            return
        if self._parking.any_blocked:
            self._parking.passed(job.action.target)
        self._finisher.count(settled.outcome)
        took = job.took_ms(now)
        waited = waited_ms(job.action.number, job.started)
        ran = self._ran(job.claimed, "index", job.enqueued_ms, now, took)
        result = written_result(ran, job.action, settled, job.attempts, batch, waited, took)
        action, claimed = job.action, job.claimed
        touches = ((action.index, action.id, action.routing, 0),)  # an index: see touches_of
        self._finisher.add(Ended(claimed.id, claimed.document_keys, result, How.SUCCESS, None, None, touches))

    def aborted(self, claimed: Claimed, name: str, enqueued_ms: int) -> None:
        """End a job that was aborted before it was started."""
        result = aborted_result(self._ran(claimed, name, enqueued_ms, time(), 0))
        self._finisher.count("failed")
        touches = _unread(claimed)
        self._finisher.add(Ended(claimed.id, claimed.document_keys, result, How.FAILURE, touches=touches))

    def _ran(self, claimed: Claimed, name: str, enqueued_ms: int, now: float, took_ms: float) -> Ran:
        now_ms = int(now * 1000)
        return Ran(claimed.name, name, self._queue, enqueued_ms, now_ms - int(took_ms), now_ms)

    def _count(self, report: Report) -> None:
        for outcome, number in report.counts.items():
            self._finisher.count(outcome, number)
        if not report.counts and report.outcome:
            self._finisher.count(report.outcome)


# What ends without having been run here may have been written all the same, in part or whole, by a worker
# that died or lost its lease while it held the job: one that is aborted then, that kills its workers, or that
# this worker refuses and the other one did not. Every other way out of a worker is no end: the job goes back,
# and its touch comes with its end. What comes as a function names no documents.
def _unread(claimed: Claimed) -> Touches:
    """How to read what a job touches of which there are no actions; nobody needs it unless a reindex runs."""
    if not claimed.document_keys:
        return ()
    deadly = claimed.attempt == CRASHER
    return partial(read_touches, claimed.raw, begun=claimed.attempt != 0, deadly=deadly)


# Outcomes that only an index which takes writes can give, or one that is not there.
_EXECUTED = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.DELETED, Outcome.MISSING})
_KINDS = {
    "payload_missing": DeadKind.UNREADABLE,
    "unreadable_job": DeadKind.UNREADABLE,
    "unknown_job": DeadKind.UNKNOWN,
    "unknown_source": DeadKind.UNKNOWN,
    "crashed_workers": DeadKind.CRASHER,
}


def _kind(report: Report) -> DeadKind:
    """Why a job is dead, by Penstock's own types; everything else was rejected."""
    return _KINDS.get(report.rejected[0].type, DeadKind.REJECTED)
