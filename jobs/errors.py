"""Every error that a producer can meet.

PenstockError
├── InvalidJob            the job can never succeed as it is; nothing was enqueued
├── QueueUnavailable      Redis did not take the job; nothing is known to be enqueued
├── UnreadableJob         what is stored under a job's id is no job (worker side)
├── JobFailed             the job ended, and at least one of its actions was rejected
├── JobNotFound           no job and no report is known under this id
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

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidJob:
        """The first of pydantic's findings as one sentence."""
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, InvalidJob):  # a nested payload's finding, which is a sentence already
            return cause
        # pydantic adds the names of the union's members to the path: only what the caller wrote is shown.
        path = [str(part) for part in first["loc"] if not _is_type_name(part)]
        reason = first["msg"].removeprefix("Value error, ")
        return cls(".".join(path) or "job", first["input"], reason)


class QueueUnavailable(PenstockError):
    """Raised when Redis can't be reached or refuses the write; the job may be enqueued again safely."""


class UnreadableJob(PenstockError, ValueError):
    """Raised when the bytes stored for a job are not an envelope in JSON (a pickle, for example)."""


class JobNotFound(PenstockError, LookupError):
    """Raised when an id has neither a job nor a report: never enqueued, or its report has expired."""


class ReportTimeout(PenstockError, TimeoutError):
    """Raised when a job has not ended within the time that the caller allowed; it goes on all the same."""


class JobFailed(PenstockError):
    """Raised when a job ended with a rejected action; `report` says what Elasticsearch answered."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.failure())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobFailed) and other.report == self.report

    __hash__ = PenstockError.__hash__


def _is_type_name(part: str | int) -> bool:
    """Whether pydantic put this part of an error's path there, as the name of a union's member."""
    return isinstance(part, str) and (part.startswith("json-") or part in _UNION_MEMBERS)


# The JSON types that pydantic names in the path of an error inside a JsonValue.
_UNION_MEMBERS = frozenset({"nullable", "list", "dict", "str", "int", "float", "bool", "none", "json"})


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
