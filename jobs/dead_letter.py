"""One dead letter: a job that ended as failed for good, kept with what was stored for it. Pure values.

A letter is read without its payload (`DeadLetter`), which may have megabytes, or with it
(`DeadLetterContents`). It knows nothing of Redis but the names of the hash's fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypedDict

from .errors import UnreadableJob
from .report import Report, refusal


class DeadKind(StrEnum):
    """Why a job is dead: a closed set."""

    REJECTED = "rejected"
    """One of its actions, or the job as a whole, can never succeed as it is."""
    UNREADABLE = "unreadable"
    """What is stored for it is no job: a pickle, no JSON, nothing."""
    UNKNOWN = "unknown"
    """No worker knew a job of its name, or its source, for as long as it was parked."""
    CRASHER = "crasher"
    """Its process died while it ran alone, time and again."""


# The fields of a letter's hash that are read for a list; `raw` is the one that is not.
SUMMARY_FIELDS = ("kind", "name", "reason", "died_ms", "tries")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter without its payload.

    `died_ms` is the time of death in ms since 1970; no two letters of a queue have the same, so it is also
    a place in the list. `report` is the job's: why it is dead. `raw_bytes` is the size of what was stored.
    """

    id: str
    kind: DeadKind
    name: str
    died_ms: float
    tries: int
    raw_bytes: int
    report: Report

    def to_wire(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "id": self.id,
            "kind": str(self.kind),
            "name": self.name,
            "died_ms": self.died_ms,
            "tries": self.tries,
            "raw_bytes": self.raw_bytes,
            "report": self.report.to_wire(),
        }


@dataclass(frozen=True, slots=True)
class DeadLetterContents:
    """A dead letter with all that was stored for the job.

    `number` is None where it had not got one. `arguments` (by keyword) and `positional` are None where
    `raw`, the bytes as they were stored, is no job in JSON.
    """

    letter: DeadLetter
    raw: bytes
    number: int | None = None
    arguments: Mapping[str, Any] | None = None
    positional: Sequence[Any] | None = None


class Which(TypedDict, total=False):
    """What narrows a choice of dead letters down; all that is given must hold.

    `index` and `type` (of a rejection) as the report has them; `older_than`: dead for at least so long.
    """

    index: str | None
    type: str | None
    kind: DeadKind | None
    older_than: timedelta | None


@dataclass(frozen=True, slots=True)
class Matching:
    """A choice of dead letters, as `Which` describes it."""

    index: str | None = None
    type: str | None = None
    kind: DeadKind | None = None
    older_than: timedelta | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant; its age is looked at where the list is read."""
        rejected = letter.report.rejected
        indices = {letter.report.index, *(rejection.index for rejection in rejected)}
        return (
            (self.kind is None or self.kind is letter.kind)
            and (self.index is None or self.index in indices)
            and (self.type is None or any(rejection.type == self.type for rejection in rejected))
        )


def read_letter(id: bytes, fields: Sequence[bytes | None], raw_bytes: int) -> DeadLetter | None:
    """The letter in its hash's `SUMMARY_FIELDS`; None where it has expired. Raises UnreadableJob."""
    if not all(field is not None for field in fields):
        return None
    kind, name, reason, died_ms, tries = (_text(field or b"") for field in fields)
    try:
        return DeadLetter(
            _text(id), DeadKind(kind), name, float(died_ms), int(tries), raw_bytes, _report(reason)
        )
    except ValueError as error:  # a worker of another version wrote it
        raise UnreadableJob(f"dead letter {_text(id)}: {error}") from error


def _report(reason: str) -> Report:
    try:
        wire = json.loads(reason)
        if isinstance(wire, dict):
            return Report.from_wire(wire)
    except (TypeError, ValueError, AttributeError):
        pass
    return refusal("unknown", reason)


# An id is any bytes to Redis, and text for people: what is no UTF-8 is written as \xNN.
_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def id_bytes(id: str) -> bytes:
    """The id in Redis of what a letter's `id` shows."""
    shown = id.encode("utf-8", "surrogateescape")
    original = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), shown)
    # An id of somebody's that holds such an escape itself is left as it is, wherever that can be told.
    return original if _text(original) == id else shown
