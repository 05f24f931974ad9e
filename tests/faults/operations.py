"""Operations on documents, and what they make of a document: pure, and the same for every seed.

Each operation leaves its own number behind: a full write replaces the content, an update adds a field of
its own and sets a shared one. So a lost, repeated or overtaken operation shows in the final document.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from jobs import BulkWrite, DeleteDocument, IndexDocument, Outcome, Payload, UpdateDocument
from jobs.models import DocumentAction

Content = dict[str, Any] | None
"""What a document holds; None where there is none."""


class Kind(StrEnum):
    """What an operation does."""

    INDEX = "index"
    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one document. `number` is its own in its stream; `filler` makes it large.

    A `doomed` one is refused by the server, whatever the document holds. `place` is added to the name of the
    index; no two places have a document of the same name. All operations on a document have its `routing`.
    """

    number: int
    document: str
    kind: Kind
    filler: str = ""
    doomed: bool = False
    place: str = ""
    routing: str = ""

    @property
    def content(self) -> dict[str, Any]:
        """What a full write stores, or the fields that an update sets."""
        filler = {"filler": self.filler} if self.filler else {}
        match self.kind:
            case Kind.INDEX | Kind.CREATE:
                return {"written": self.number, **filler}
            case Kind.UPDATE | Kind.UPSERT:
                return {"last": self.number, f"update{self.number}": self.number, **filler}
            case Kind.DELETE:
                return {}
            case _:
                assert_never(self.kind)

    def action(self, index: str) -> DocumentAction:
        """As a service would enqueue it."""
        named: dict[str, Any] = {"index": index, "id": self.document}
        if self.routing:
            named["routing"] = self.routing
        match self.kind:
            case Kind.INDEX | Kind.CREATE:
                return IndexDocument(**named, document=self.content, create=self.kind is Kind.CREATE)
            case Kind.UPDATE | Kind.UPSERT:
                return UpdateDocument(**named, doc=self.content, doc_as_upsert=self.kind is Kind.UPSERT)
            case Kind.DELETE:
                return DeleteDocument(**named)
            case _:
                assert_never(self.kind)

    def applied_to(self, before: Content) -> tuple[Content, Outcome]:
        """What becomes of the document, and the outcome that says so."""
        exists = before is not None
        if self.doomed:
            return before, Outcome.REJECTED
        match self.kind:
            case Kind.INDEX:
                return self.content, Outcome.UPDATED if exists else Outcome.CREATED
            case Kind.CREATE:
                return (before, Outcome.REJECTED) if exists else (self.content, Outcome.CREATED)
            case Kind.UPDATE | Kind.UPSERT if before is not None:
                return before | self.content, Outcome.UPDATED
            case Kind.UPDATE:
                return None, Outcome.REJECTED
            case Kind.UPSERT:
                return self.content, Outcome.CREATED
            case Kind.DELETE:
                return None, Outcome.DELETED if exists else Outcome.MISSING
            case _:
                assert_never(self.kind)


def payload(operations: Sequence[Operation], index: str) -> Payload:
    """One job: a single-document one, or a bulk where there are several, of one place."""
    index += operations[0].place
    actions = [operation.action(index) for operation in operations]
    return actions[0] if len(actions) == 1 else BulkWrite(index=index, actions=tuple(actions))


_KINDS = (Kind.INDEX, Kind.UPDATE, Kind.UPDATE, Kind.UPSERT, Kind.DELETE, Kind.CREATE)


def stream(seed: int, *, documents: int, first: int = 0, place: str = "") -> Iterator[Operation]:
    """Operations of all kinds on random documents, numbered from `first`, without end."""
    dice = random.Random(seed)
    for number in itertools.count(first):
        name = f"{place or 'd'}{dice.randrange(documents)}"
        yield Operation(number, name, dice.choice(_KINDS), place=place)


def shuffled(seed: int, *, documents: int, operations: int, first: int = 0) -> list[Operation]:
    """The first so many of them."""
    return list(itertools.islice(stream(seed, documents=documents, first=first), operations))
