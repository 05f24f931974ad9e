"""What a source answered, to what is written: each load becomes an index or a delete. Pure.

A record that can't be used concerns its own id alone. Where an answer holds something that belongs to no id
that was asked for, nobody knows whose record it is: what is missing then is no proof that it is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.names import MAX_ROUTING_BYTES, check_length

from .actions import Action, ActionKind
from .exact_json import dumps
from .registry import Record


class BadRecord(Exception):
    """Raised when the record of one id can't be written; its text says why."""


class Found(NamedTuple):
    """The records by id, those that are there twice, and what was answered that nobody asked for."""

    records: Mapping[str, Record]
    twice: frozenset[str]
    strange: str | None


def found_in(answer: Iterable[Any], asked: Sequence[str]) -> Found:
    """Sort the answer of a source by what it was asked for."""
    wanted = frozenset(asked)
    records: dict[str, Record] = {}
    twice: set[str] = set()
    strange: str | None = None
    for record in answer:
        if not isinstance(record, Record):
            strange = f"expected a Record, got {type(record).__name__}"
        elif not isinstance(record.id, str) or record.id not in wanted:
            strange = f"the source answered with id {_shown(record.id)}, which it was not asked for"
        elif records.setdefault(record.id, record) != record:
            twice.add(record.id)
    return Found(records, frozenset(twice), strange)


def write_of(load: Action, found: Found, max_bytes: int) -> Action:
    """What a load has become. Raises BadRecord."""
    if load.id in found.twice:
        raise BadRecord("the source answered with two records of this id")
    record = found.records.get(load.id)
    if record is None:
        if found.strange is not None:
            raise BadRecord(found.strange)
        return load._replace(kind=ActionKind.DELETE)
    routing = _routing(record.routing)
    if record.document is None:
        return load._replace(kind=ActionKind.DELETE, routing=routing)
    return load._replace(kind=ActionKind.INDEX, routing=routing, body=body_of(record.document, max_bytes))


def _shown(id: Any) -> str:
    text = repr(id)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _routing(routing: Any) -> str | None:
    if routing is None:
        return None
    if not isinstance(routing, str):
        raise BadRecord(f"routing: expected text, got {type(routing).__name__}")
    try:
        return check_length(routing, "a routing value", MAX_ROUTING_BYTES)
    except ValueError as error:
        raise BadRecord(f"routing: {error}") from None


def body_of(document: Any, max_bytes: int) -> bytes:
    """A document as JSON. Raises BadRecord, which names what JSON can't hold."""
    if not isinstance(document, dict):
        raise BadRecord(f"document: expected a dict, got {type(document).__name__}")
    try:
        _check(document, "document")
        body = dumps(document)
    except (TypeError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadRecord(f"document: JSON can't hold it: {reason}") from None
    if len(body) > max_bytes:
        raise BadRecord(f"document: it can have {max_bytes} bytes at the most, this one has {len(body)}")
    return body


def _check(value: Any, path: str) -> None:
    """Raises BadRecord for what would be written as something else: NaN as null, a number as a name."""
    if type(value) is dict:
        for name, member in value.items():
            if type(name) is not str:
                raise BadRecord(f"{path}: expected text as names, got {type(name).__name__}")
            if type(member) is not str:
                _check(member, f"{path}.{name}")
    elif type(value) is list:
        for member in value:
            _check(member, path)
    elif type(value) is float and not math.isfinite(value):
        raise BadRecord(f"{path}: JSON can't hold {value}")
