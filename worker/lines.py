"""Action to the lines of a bulk request, or straight to an outcome. Pure.

Full writes and deletes carry an external version (`external_gte`), so that a late or repeated one never
overwrites newer data. An update, a `create` and a `replace` depend on what is stored: they are planned from a
look at the document (`Seen`), and an update is conditioned on exactly that state. A bulk `update` can't carry
an external version, and a bulk `create` with one fails the whole request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, assert_never

from jobs.outcomes import Outcome

from .actions import VERSIONS_PER_NUMBER, Action, ActionKind
from .answers import Answer, Blocked, Settled, Trouble, rejected, type_and_reason

# What no second look can mend: a missing routing, an alias of several indices, a closed index.
_FINAL_ERRORS = frozenset(
    {"routing_missing_exception", "illegal_argument_exception", "index_closed_exception"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a realtime look at a document found."""

    version: int
    seq_no: int
    primary_term: int


class Absent(Enum):
    """What a look did not find, where it is more than the document."""

    INDEX = "index"


class Line(NamedTuple):
    """One action as it is sent. `conditional`: it holds only for the state that was looked at."""

    header: dict[str, Any]
    body: bytes | None
    conditional: bool = False


def read_look(document: Mapping[str, Any]) -> Seen | Absent | Answer | None:
    """One document of an mget answer; None where there is none.

    A look that failed says nothing of the document: it is final, or taken again (a shard that is away).
    """
    if error := document.get("error"):
        kind, reason = type_and_reason(error)
        if kind == "index_not_found_exception":
            return Absent.INDEX
        return rejected(kind, reason) if kind in _FINAL_ERRORS else Trouble.UNAVAILABLE
    if not document.get("found"):
        return None
    return Seen(document["_version"], document["_seq_no"], document["_primary_term"])


def plan(action: Action, seen: Seen | Absent | Answer | None) -> Line | Answer:
    """How to send an action; `seen` matters only where the action needed a look."""
    if action.kind is ActionKind.INDEX:  # nearly every action
        return _versioned(action, "index", action.body)
    if isinstance(seen, Settled | Blocked | Trouble):
        return seen
    if isinstance(seen, Absent):
        return _plan_unseen(action)
    match action.kind:
        case ActionKind.DELETE:
            return _versioned(action, "delete", None)
        case ActionKind.CREATE:
            return _plan_create(action, seen)
        case ActionKind.REPLACE:
            return _plan_replace(action, seen)
        case ActionKind.UPDATE:
            return _plan_update(action, seen)
        case ActionKind.LOAD:
            raise AssertionError("a load is read before it is sent")
        case _:
            assert_never(action.kind)


def _plan_unseen(action: Action) -> Line | Answer:
    """Where not even the index is there, nothing has been written that would have to be found out."""
    return plan(action._replace(begun_before=False), None)


def _plan_create(action: Action, seen: Seen | None) -> Line | Settled:
    if seen is None:
        return _versioned(action, "index", action.body)
    if _is_own(seen, action):
        return Settled(Outcome.CREATED, version=seen.version, seq_no=seen.seq_no)
    if _is_newer(seen, action):
        # Later jobs on the document have run, so this one has as well: its report was lost with its worker.
        return Settled(Outcome.SUPERSEDED, version=seen.version, seq_no=seen.seq_no)
    reason = f"document already exists (current version [{seen.version}])"
    return rejected("version_conflict_engine_exception", reason)


def _plan_replace(action: Action, seen: Seen | None) -> Line | Settled:
    if seen is None:
        return _plan_missing(action)
    if _is_newer(seen, action):
        return Settled(Outcome.SUPERSEDED, version=seen.version, seq_no=seen.seq_no)
    return _versioned(action, "index", action.body)


def _plan_missing(action: Action) -> Line | Settled:
    """Where there is nothing that an update could change, or a retry of old replace."""
    if not action.begun_before:
        return rejected("document_missing_exception", f"[{action.id}]: document missing")
    # It may have run before, and a later job have deleted the document: a versioned delete finds that out
    # (409: superseded), and is harmless where nothing is there.
    return _versioned(action._replace(pipeline=None, require_alias=False), "delete", None)


def _is_newer(seen: Seen, action: Action) -> bool:
    """Whether a later number has written this."""
    return seen.version >= action.version + VERSIONS_PER_NUMBER


def _is_own(seen: Seen, action: Action) -> bool:
    """Whether the action itself has written this, and its answer was lost.

    An update by somebody else in between has added to the version, and stays below the next number's.
    """
    return action.version <= seen.version < action.version + VERSIONS_PER_NUMBER


def _plan_update(action: Action, seen: Seen | None) -> Line | Settled:
    if seen is None:
        return _plan_missing(action) if action.upsert is None else _versioned(action, "index", action.upsert)
    if action.upsert is not None and _is_own(seen, action):
        return Settled(Outcome.CREATED, version=seen.version, seq_no=seen.seq_no)
    if _is_newer(seen, action):
        return Settled(Outcome.SUPERSEDED, version=seen.version, seq_no=seen.seq_no)
    header = _header(action)
    header["if_seq_no"] = seen.seq_no
    header["if_primary_term"] = seen.primary_term
    return Line({"update": header}, action.body, conditional=True)


def _versioned(action: Action, op: str, body: bytes | None) -> Line:
    header: dict[str, Any] = {
        "_index": action.index,
        "_id": action.id,
        "version": action.number * VERSIONS_PER_NUMBER,
        "version_type": "external_gte",
    }
    if action.routing is not None:
        header["routing"] = action.routing
    if action.pipeline is not None:
        header["pipeline"] = action.pipeline
    if action.require_alias:
        header["require_alias"] = True
    return Line({op: header}, body)


def _header(action: Action) -> dict[str, Any]:
    header: dict[str, Any] = {"_index": action.index, "_id": action.id}
    if action.routing is not None:
        header["routing"] = action.routing
    return header
