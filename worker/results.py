"""Report to result: what arq stores for an ended job, without its arguments. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from jobs.report import Report


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


def aborted_result(ran: Ran) -> bytes:
    """The result of a job that was aborted before it was started; `arq.jobs.Job.abort` answers True."""
    return _result(ran, {"error": "cancelled"}, success=False)


def _result(ran: Ran, answer: dict[str, Any], *, success: bool) -> bytes:
    return orjson.dumps(
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
