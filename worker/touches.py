"""What an ended job leaves behind for a reindex: the documents that it may have changed. Pure.

Every final outcome counts, those that changed nothing included: to look at a document once too often is
harmless, a change that nobody looks at is lost.

A touch is a tuple, since every job makes one: index name, id, routing, and the version of the delete (0: it
was no delete). It holds no bytes of a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.envelope import index_key

from .actions import Action, ActionKind

_INDEX_KEY_BYTES = 4
Touch = tuple[str, str, str | None, int]


class UntoldDocuments(Exception):
    """Raised where it can't be told which documents a job may have changed."""


Touches = Sequence[Touch] | Callable[[], Sequence[Touch]]
"""The touches of one job, or how to read them, which may raise UntoldDocuments."""


def touches_of(actions: Iterable[Action]) -> list[Touch]:
    """The touches of some actions that have ended."""
    return [
        (one.index, one.id, one.routing, one.version if one.kind is ActionKind.DELETE else 0)
        for one in actions
    ]


def member_of(id: str, routing: str | None) -> bytes:
    """A document of one index as a member of a set in Redis; `read_member` takes it apart."""
    if routing is None:
        return b"-" + id.encode()
    encoded = routing.encode()
    return b"%d:%b%b" % (len(encoded), encoded, id.encode())


def read_member(member: bytes) -> tuple[str, str | None]:
    """Id and routing."""
    if member.startswith(b"-"):
        return member[1:].decode(), None
    size, _, rest = member.partition(b":")
    return rest[int(size) :].decode(), rest[: int(size)].decode()


class Wanted(NamedTuple):
    """Who wants to know of the jobs on which index names, as `TOUCHING` in jobs/keys.py says it."""

    generation: bytes = b""
    reindexes: Mapping[str, Sequence[str]] = {}
    """Index name to the ids of the reindexes that it concerns."""
    keys: Mapping[bytes, frozenset[str]] = {}
    """The same by index key, for jobs that can't be read."""

    @classmethod
    def read(cls, raw: bytes) -> Wanted:
        """What is stored; nothing where nobody wants to know."""
        generation, *lines = raw.split(b"\n")
        reindexes: dict[str, list[str]] = {}
        keys: dict[bytes, frozenset[str]] = {}
        for line in lines:
            reindex, _, name = line.decode().partition(" ")
            reindexes.setdefault(name, []).append(reindex)
            key = index_key(name).encode()
            keys[key] = keys.get(key, frozenset()) | {reindex}
        return cls(generation, reindexes, keys)

    def concerned(self, document_keys: bytes) -> frozenset[str]:
        """The reindexes that a job with these document keys concerns: all are on one index."""
        return self.keys.get(document_keys[:_INDEX_KEY_BYTES], frozenset())


class Gathered:
    """What one call leaves behind for each reindex."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._documents: dict[str, dict[bytes, int]] = {}
        self._untold: dict[str, list[bytes]] = {}

    def add(self, job: bytes, document_keys: bytes, touches: Touches) -> None:
        """One ended job with its touches."""
        if callable(touches):
            concerned = self._wanted.concerned(document_keys)
            if not concerned:
                return  # reading it may be expensive
            try:
                touches = touches()
            except UntoldDocuments:
                for reindex in concerned:
                    self._untold.setdefault(reindex, []).append(job)
                return
        for index, id, routing, version in touches:
            for reindex in self._wanted.reindexes.get(index, ()):
                documents = self._documents.setdefault(reindex, {})
                member = member_of(id, routing)
                documents[member] = max(version, documents.get(member, 0))

    def arguments(self) -> list[Any]:
        """As finish.lua takes them."""
        arguments: list[Any] = []
        for reindex in sorted(self._documents.keys() | self._untold.keys()):
            documents, untold = self._documents.get(reindex, {}), self._untold.get(reindex, [])
            arguments += [reindex, len(documents), len(untold)]
            for member, version in documents.items():
                arguments += [member, version]
            arguments += untold
        return arguments
