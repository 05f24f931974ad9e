"""Payload to actions: the document operations of one job. Pure; knows no batch, no network, no Redis.

An action carries its document as serialised bytes, so that its size is exact and it is encoded once,
however often it is sent. Its version comes from its number: see docs/non-obvious.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from jobs.models import (
    BulkWrite,
    DeleteDocument,
    DocumentAction,
    IndexDocument,
    LoadDocuments,
    UpdateDocument,
)

from .exact_json import dumps

# Room for the versions that Elasticsearch's own updates add between two numbers.
VERSIONS_PER_NUMBER = 1024
# An action line with every option, but without names and ids, and two line ends.
_ACTION_LINE_BYTES = 180


class ActionKind(StrEnum):
    """What an action wants done: `create` refuses to replace, `replace` refuses to create.

    A `load` is never sent: it becomes an index or a delete when its record has been read.
    """

    INDEX = "index"
    CREATE = "create"
    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"
    LOAD = "load"


# The ways of writing to an index that Elasticsearch has rights of their own for; the others are an `index`.
_WAYS = {ActionKind.UPDATE: "update", ActionKind.DELETE: "delete"}


class Action(NamedTuple):
    """One document operation. `key` stands for the document, `number` orders its writes.

    `body` is the document, or the members of an update; `upsert` is what to write where an update finds
    no document. `line_bytes` is about what it adds to a request; the batch is cut by it. `begun_before`: a
    worker may have written it already, and not have told. `source`: where a load is, or was, read from.
    """

    kind: ActionKind
    index: str  # type: ignore[assignment]  # tuple's method of that name is not wanted here
    id: str
    key: str
    number: int
    body: bytes | None = None
    upsert: bytes | None = None
    routing: str | None = None
    pipeline: str | None = None
    require_alias: bool = False
    wait_until_visible: bool = False
    begun_before: bool = False
    source: str | None = None

    @property
    def target(self) -> str:
        """What has to be allowed for it: `<way>:<index>`. An index that takes no writes for now refuses all
        actions of the same target, and maybe no others.
        """
        return f"{'alias' if self.require_alias else _WAYS.get(self.kind, 'index')}:{self.index}"

    @property
    def version(self) -> int:
        """The external version of a full write or a delete."""
        return self.number * VERSIONS_PER_NUMBER

    @property
    def line_bytes(self) -> int:
        """Bytes in a bulk request, counted so that it is never less than what is sent."""
        names = 6 * (len(self.index) + len(self.id) + len(self.routing or "") + len(self.pipeline or ""))
        return _ACTION_LINE_BYTES + names + max(len(self.body or b""), len(self.upsert or b""))

    @property
    def needs_look(self) -> bool:
        """Whether it depends on what is stored now, so that the document must be looked at first."""
        return self.kind is not ActionKind.INDEX and self.kind is not ActionKind.DELETE


def actions_of(payload: DocumentAction | BulkWrite, number: int, keys: Sequence[str]) -> list[Action]:
    """The actions of one job whose first number is `number`, in order; `keys` has one for each.

    Raises ValueError where there are more or fewer keys than actions.
    """
    if isinstance(payload, BulkWrite):
        visible = payload.wait_until_visible
        numbered = enumerate(zip(payload.actions, keys, strict=True), number)
        return [_action(action, n, key, visible) for n, (action, key) in numbered]
    (key,) = keys
    return [_action(payload, number, key, False)]


def loads_of(payload: LoadDocuments, index: str, number: int, keys: Sequence[str]) -> list[Action]:
    """The actions of a load whose source writes to `index`; see `actions_of`."""
    numbered = enumerate(zip(payload.ids, keys, strict=True), number)
    return [Action(ActionKind.LOAD, index, id, key, n, source=payload.source) for n, (id, key) in numbered]


def kept(actions: Sequence[Action], positions: Sequence[int] | None) -> list[Action]:
    """The actions of a retried job that keeps its number, so that none of them creates a document.

    Elasticsearch forgets the version of a deleted document: an old version alone would bring it back.
    `positions` are the places that they had in the old job, on which their numbers rest; None: the same.
    Raises ValueError for a `create`, and where there are more or fewer positions than actions.
    """
    if positions is not None:
        first = actions[0].number
        placed = zip(actions, positions, strict=True)
        actions = [action._replace(number=first + place) for action, place in placed]
    return [_creating_nothing(action) for action in actions]


def _creating_nothing(action: Action) -> Action:
    match action.kind:
        case ActionKind.INDEX | ActionKind.REPLACE:
            return action._replace(kind=ActionKind.REPLACE)
        case ActionKind.UPDATE:
            return action._replace(upsert=None)
        case ActionKind.DELETE:
            return action
        case ActionKind.CREATE:
            raise ValueError("a create can't keep its number: it needs that the document is not there")
        case ActionKind.LOAD:
            raise ValueError("a load can't keep its number: it reads what the source has now")
        case _:
            assert_never(action.kind)


def _action(payload: DocumentAction, number: int, key: str, visible: bool) -> Action:
    common: dict[str, Any] = {
        "index": payload.index,
        "id": payload.id,
        "key": key,
        "number": number,
        "routing": payload.routing,
        "wait_until_visible": visible or payload.wait_until_visible,
    }
    match payload:
        case IndexDocument():
            return Action(
                kind=ActionKind.CREATE if payload.create else ActionKind.INDEX,
                body=dumps(payload.document),
                pipeline=payload.pipeline,
                require_alias=payload.require_alias,
                **common,
            )
        case UpdateDocument():
            upsert = payload.doc if payload.doc_as_upsert else payload.upsert
            return Action(
                kind=ActionKind.UPDATE,
                body=dumps(_update_members(payload)),
                upsert=None if upsert is None else dumps(upsert),
                **common,
            )
        case DeleteDocument():
            return Action(kind=ActionKind.DELETE, **common)


def _update_members(payload: UpdateDocument) -> dict[str, Any]:
    return {"doc": payload.doc} if payload.doc is not None else {"script": payload.script}
