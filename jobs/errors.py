"""Every error that a producer can meet.

PenstockError
├── InvalidJob            the job can never succeed as it is; nothing was enqueued
├── QueueUnavailable      Redis did not take the job; nothing is known to be enqueued
│   └── QueueFull         it has too little memory left for one; nothing was enqueued
├── UnreadableJob         what is stored under a job's id is no job (worker side)
├── JobFailed             the job ended, and at least one of its actions was rejected
├── JobNotFound           no job and no report is known under this id
├── CancelRefused         a reindex can't be cancelled: it has ended, or moves the alias just now
└── ReportTimeout         the job did not end within the time that the caller allowed

JobFailed survives the round trip through the result store: `jobs.envelope` writes its report and
makes the error anew from it, so `arq.jobs.Job.result()` raises the same error as our own handle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from .handle import JobHandle
    from .report import Report

_SHOWN_CHARACTERS = 120


class PenstockError(Exception):
    """The root of every error that Penstock raises on purpose."""


class InvalidJob(PenstockError, ValueError):
    """Raised when a job is refused before it reaches Redis; names the field and the value.

    Attributes: `field` (dotted path, such as ``document.price``), `value`, `reason`, and `enqueued`:
    the handles of the jobs that `enqueue_many` had enqueued before it met this one.
    """

    enqueued: tuple[JobHandle, ...] = ()

    def __init__(self, field: str, value: Any, reason: str) -> None:
        self.field, self.value, self.reason = field, value, reason
        super().__init__(f"{field}: {reason}, got {_short(value)}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew in another process; the handles of `enqueued` hold connections and stay behind.
        return type(self), (self.field, self.value, self.reason)

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidJob:
        """The first of pydantic's findings as one sentence."""
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidJob):  # a nested payload's finding, which is a sentence already
            return cause
        reason = first["msg"].removeprefix("Value error, ")
        return cls(".".join(_steps(first["loc"])) or "job", first["input"], reason)


class QueueUnavailable(PenstockError):
    """Raised when Redis can't be reached or refuses the write; the job may be enqueued again safely.

    Attribute `enqueued`: the handles of the jobs that `enqueue_many` knows to be enqueued.
    """

    enqueued: tuple[JobHandle, ...] = ()


class QueueFull(QueueUnavailable):
    """Raised when Redis has too little memory left for new jobs; this call has stored none.

    Attributes: `used_bytes` and `limit_bytes` (its maxmemory); None where Redis itself has refused.
    """

    def __init__(self, why: str, used_bytes: int | None = None, limit_bytes: int | None = None) -> None:
        self.used_bytes, self.limit_bytes = used_bytes, limit_bytes
        super().__init__(why)

    @classmethod
    def above(cls, mark: float, answer: bytes) -> QueueFull:
        """From what memory.lua answers; `mark` is the share of maxmemory that may be in use."""
        used, limit = map(int, answer.split())
        return cls(
            f"Redis takes no new jobs: {used:,} bytes are in use, above {mark:.0%} of its maxmemory of "
            f"{limit:,} bytes (refuse_above={mark}); let workers drain the queue, or give Redis more memory",
            used,
            limit,
        )


class UnreadableJob(PenstockError, ValueError):
    """Raised when the bytes stored for a job are not an envelope in JSON (a pickle, for example)."""


class JobNotFound(PenstockError, LookupError):
    """Raised when an id has neither a job nor a report: never enqueued, or its report has expired."""


class ReportTimeout(PenstockError, TimeoutError):
    """Raised when a job has not ended within the time that the caller allowed; it goes on all the same."""


class CancelRefused(PenstockError):
    """Raised when a reindex can't be cancelled: it has ended, or moves the alias just now."""


class JobFailed(PenstockError):
    """Raised when a job ended with a rejected action; `report` says what Elasticsearch answered."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.failure())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.report,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobFailed) and other.report == self.report

    __hash__ = PenstockError.__hash__


def _steps(path: tuple[str | int, ...]) -> list[str]:
    """What the caller wrote of a path in pydantic's finding.

    The first part is the field. Inside a field every step is followed by the name of the union's member
    that pydantic tried (``dict``, ``list``, a model), which may also be the name of somebody's field: it
    is known by its place. ``[key]``, at such a place, says that the name is what is wrong.
    """
    inside = [str(part) for at, part in enumerate(path[1:]) if at % 2 == 0 or part == "[key]"]
    return [*map(str, path[:1]), *inside]


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deeply to be shown"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
