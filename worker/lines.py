"""Action to the lines of a bulk request, or straight to an outcome. Pure.

Full writes and deletes carry an external version (`external_gte`), so that a late or repeated one never
overwrites newer data. An update and a `create` depend on what is stored: they are planned from a look
at the document (`Seen`), and an update is conditioned on exactly that state. A bulk `update` can't carry
an external version, and a bulk `create` with one fails the whole request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

from jobs.outcomes import Outcome

from .actions import VERSIONS_PER_NUMBER, Action, ActionKind
from .answers import Answer, Settled, Trouble, rejected, type_and_reason

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


class Line(NamedTuple):
    """One action as it is sent. `conditional`: it holds only for the state that was looked at."""

    header: dict[str, Any]
    body: bytes | None
    conditional: bool = False


def read_look(document: Mapping[str, Any]) -> Seen | Answer | None:
    """One document of an mget answer; None where there is none (or its index is not there).

    A look that failed says nothing of the document: it is final, or taken again (a shard that is away).
    """
    if error := document.get("error"):
        kind, reason = type_and_reason(error)
        if kind == "index_not_found_exception":
            return None
        return rejected(kind, reason) if kind in _FINAL_ERRORS else Trouble.UNAVAILABLE
    if not document.get("found"):
        return None
    return Seen(document["_version"], document["_seq_no"], document["_primary_term"])


def plan(action: Action, seen: Seen | Answer | None) -> Line | Answer:
    """How to send an action; `seen` matters only where the action needed a look."""
    if isinstance(seen, Settled | Trouble):
        return seen
    match action.kind:
        case ActionKind.INDEX:
            return _versioned(action, "index", action.body)
        case ActionKind.DELETE:
            return _versioned(action, "delete", None)
        case ActionKind.CREATE:
            return _plan_create(action, seen)
        case ActionKind.UPDATE:
            return _plan_update(action, seen)
        case _:
            assert_never(action.kind)


def _plan_create(action: Action, seen: Seen | None) -> Line | Settled:
    if seen is None:
        return _versioned(action, "index", action.body)
    if _is_own(seen, action):
        return Settled(Outcome.CREATED, version=seen.version, seq_no=seen.seq_no)
    reason = f"document already exists (current version [{seen.version}])"
    return rejected("version_conflict_engine_exception", reason)


def _is_own(seen: Seen, action: Action) -> bool:
    """Whether the action itself has written this, and its answer was lost.

    An update by somebody else in between has added to the version, and stays below the next number's.
    """
    return action.version <= seen.version < action.version + VERSIONS_PER_NUMBER


def _plan_update(action: Action, seen: Seen | None) -> Line | Settled:
    if seen is None:
        if action.upsert is None:
            return rejected("document_missing_exception", f"[{action.id}]: document missing")
        return _versioned(action, "index", action.upsert)
    if action.upsert is not None and _is_own(seen, action):
        return Settled(Outcome.CREATED, version=seen.version, seq_no=seen.seq_no)
    if seen.version >= action.version + VERSIONS_PER_NUMBER:
        return Settled(Outcome.SUPERSEDED, version=seen.version, seq_no=seen.seq_no)
    header = _header(action)
    header["if_seq_no"] = seen.seq_no
    header["if_primary_term"] = seen.primary_term
    return Line({"update": header}, action.body, conditional=True)


def _versioned(action: Action, op: str, body: bytes | None) -> Line:
    header = _header(action)
    header["version"] = action.version
    header["version_type"] = "external_gte"
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
