"""Report to result: what arq stores for an ended job, without its arguments. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from jobs.report import Report

from .actions import Action
from .answers import Settled


class Ran(NamedTuple):
    """When and as what a job ran. Times in ms since 1970."""

    id: str
    name: str
    queue: str
    enqueued_ms: int
    started_ms: int
    finished_ms: int


def result_of(ran: Ran, report: Report) -> bytes:
    """arq's result members as JSON. `jobs.envelope.deserialize` makes JobFailed of a failed one."""
    wire: dict[str, Any] = report.to_wire()
    answer = {"error": "failed", "report": wire} if report.failed else wire
    return _result(ran, answer, success=not report.failed)


def written_result(
    ran: Ran, action: Action, settled: Settled, attempts: int, batch: str, waited_ms: float, took_ms: float
) -> bytes:
    """What `result_of` says of a job whose one action succeeded, without a report in between."""
    answer = {
        "outcome": settled.outcome,
        "index": action.index,
        "id": action.id,
        "version": settled.version,
        "seq_no": settled.seq_no,
        "attempts": attempts,
        "batch": batch,
        "waited_ms": waited_ms,
        "took_ms": took_ms,
    }
    if settled.version is None or settled.seq_no is None:
        answer = {name: value for name, value in answer.items() if value is not None}
    return _result(ran, answer, success=True)


def aborted_result(ran: Ran) -> bytes:
    """The result of a job that was aborted before it was started; `arq.jobs.Job.abort` answers True."""
    return _result(ran, {"error": "cancelled"}, success=False)


def _result(ran: Ran, answer: dict[str, Any], *, success: bool) -> bytes:
    stored = orjson.dumps(
        {
            "t": 1,
            "f": ran.name,
            "a": [],
            "k": {},
            "et": ran.enqueued_ms,
            "s": success,
            "r": answer,
            "st": ran.started_ms,
            "ft": ran.finished_ms,
            "q": ran.queue,
            "id": ran.id,
        }
    )
    # Thousands of results wait while Redis is away: see exact_json.dumps.
    return bytes(memoryview(stored))
