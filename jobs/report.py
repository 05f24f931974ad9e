"""The answer that one job gets: what Elasticsearch did with each of its actions. Pure values.

A report is small: the document is never stored again. It knows nothing of Redis or of a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Rejection:
    """One action that can never succeed as it is.

    `position` counts from 0 in the job's list of actions; `type` and `reason` are Elasticsearch's, or
    Penstock's own where the job never got that far (``invalid_job``, ``unknown_source``, …).
    """

    type: str
    reason: str
    index: str | None = None
    id: str | None = None
    position: int = 0

    def to_wire(self) -> dict[str, Any]:
        """As a JSON object without empty members."""
        members = {"position": self.position, "index": self.index, "id": self.id}
        return {k: v for k, v in members.items() if v is not None} | {
            "type": self.type,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one job.

    `outcome` is that of a job with one action; for a `bulk` it is None, or `rejected` where any action
    was. `version` and `seq_no` are Elasticsearch's. `attempts` counts the requests that carried the
    (last) action. `batch` names the bulk request of the final answer. `waited_ms` runs from the enqueue
    until a worker took the job, `took_ms` from there to the final answer. `counts` (bulk) maps outcome
    to number. `details` holds what a job of another kind has to tell, such as a reindex's new index.
    `retry_of` names the dead letter that this job is a retry of.
    """

    outcome: Outcome | None = None
    index: str | None = None
    id: str | None = None
    version: int | None = None
    seq_no: int | None = None
    attempts: int = 0
    batch: str | None = None
    waited_ms: float = 0.0
    took_ms: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_of: str | None = None

    @property
    def failed(self) -> bool:
        """Whether any action was rejected."""
        return bool(self.rejected)

    def failure(self) -> str:
        """The first rejection as a sentence, and how many more there are; empty for a success."""
        if not self.rejected:
            return ""
        first = self.rejected[0]
        where = f"{first.index or '-'}/{first.id or '-'} " if first.index or first.id else ""
        more = f" (and {len(self.rejected) - 1} more)" if len(self.rejected) > 1 else ""
        return f"{where}{first.type}: {first.reason}{more}"

    def to_wire(self) -> dict[str, Any]:
        """As a JSON object without empty members."""
        wire: dict[str, Any] = {}
        for name in _PLAIN_MEMBERS:
            value = getattr(self, name)
            if value is not None:
                wire[name] = value
        if self.counts:
            wire["counts"] = dict(self.counts)
        if self.rejected:
            wire["rejected"] = [rejection.to_wire() for rejection in self.rejected]
        if self.details:
            wire["details"] = dict(self.details)
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Report:
        """The inverse of `to_wire`. Raises TypeError or ValueError where `wire` is no report."""
        members = dict(wire)
        if members.get("outcome") is not None:
            members["outcome"] = Outcome(members["outcome"])
        members["rejected"] = tuple(Rejection(**rejection) for rejection in members.get("rejected", ()))
        return cls(**members)


_PLAIN_MEMBERS = (
    "outcome", "index", "id", "version", "seq_no", "attempts", "batch", "waited_ms", "took_ms", "retry_of",
)  # fmt: skip


def refusal(kind: str, reason: str, *, index: str | None = None, id: str | None = None) -> Report:
    """The report of a job that Penstock itself refused, before anything was sent to Elasticsearch."""
    rejection = Rejection(type=kind, reason=reason, index=index, id=id)
    return Report(outcome=Outcome.REJECTED, index=index, id=id, rejected=(rejection,))
