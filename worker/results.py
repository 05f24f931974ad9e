"""Report to result: what arq stores for an ended job, without its arguments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from jobs.report import Report


@dataclass(frozen=True, slots=True)
class Ran:
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
    return orjson.dumps(
        {
            "t": 1,
            "f": ran.name,
            "a": [],
            "k": {},
            "et": ran.enqueued_ms,
            "s": not report.failed,
            "r": {"error": "failed", "report": wire} if report.failed else wire,
            "st": ran.started_ms,
            "ft": ran.finished_ms,
            "q": ran.queue,
            "id": ran.id,
        }
    )
