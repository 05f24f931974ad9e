"""Documents cut out of an answer of Elasticsearch, each source as the bytes that stand there. Pure.

Sources are not parsed: no digit of theirs changes, and nothing is parsed twice.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

# Half a surrogate pair, as JSON escapes it: no text, but Elasticsearch takes it, and gives it back.
_SURROGATE = re.compile(rb"\\u[dD](?=[89a-fA-F][0-9a-fA-F]{2})")


class IncompletePage(Exception):
    """Raised when an answer lacks shards or its end: asked again, it may be whole."""


class Unreadable(Exception):
    """Raised when a document can't be read, however often it is asked for; names it where it is known."""


class Hit(NamedTuple):
    """One document. `source` is exact, and may hold line ends (see `writing.one_line`).

    Without sources asked for it is empty.
    """

    id: str
    routing: str | None
    version: int
    source: bytes


class Document(msgspec.Struct, gc=False):
    """A hit, or a document of an mget: members that are not named here are skipped."""

    id: str = msgspec.field(name="_id")
    version: int = msgspec.field(name="_version", default=0)
    routing: str | None = msgspec.field(name="_routing", default=None)
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    sort: list[Any] = []
    found: bool = True
    error: dict[str, Any] | None = None


class Hits(msgspec.Struct):
    """Hits, and how many there are in all where that was asked for."""

    hits: list[Document]
    total: dict[str, Any] = {}


class Shards(msgspec.Struct):
    """Which shards have answered."""

    total: int
    successful: int
    failed: int = 0
    failures: list[dict[str, Any]] = []


class Answer(msgspec.Struct):
    """The answer to a search."""

    timed_out: bool
    shards: Shards = msgspec.field(name="_shards")
    hits: Hits
    pit_id: str | None = None

    @property
    def documents(self) -> list[Document]:
        """The hits of a page."""
        return self.hits.hits


class Looks(msgspec.Struct):
    """The answer to an mget."""

    docs: list[Document]

    @property
    def documents(self) -> list[Document]:
        """One for each that was wanted."""
        return self.docs


PAGES = msgspec.json.Decoder(Answer)
LOOKS = msgspec.json.Decoder(Looks)


def decoded(answer: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The answer's members, with what is not named left out. Raises IncompletePage or Unreadable."""
    try:
        return decoder.decode(answer)
    except msgspec.DecodeError as error:
        if not answer.endswith(b"}"):
            raise IncompletePage("an answer came without its end") from error
        return _with_surrogates(answer, decoder)


def hit_of(document: Document, sources: bool) -> Hit:
    """Raises Unreadable where there is no source, and `sources` were asked for."""
    source = bytes(document.source)  # a copy: a view of it would keep the whole answer
    if sources and not source:
        raise Unreadable(f"document {document.id!r} has no source: does the index store `_source`?")
    return Hit(document.id, document.routing, document.version, source)


def _with_surrogates(answer: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decoded with surrogates masked by as many bytes; then each source is cut out of what came."""
    masked = _SURROGATE.sub(rb"\\ue", answer)
    try:
        found = decoder.decode(masked)
    except msgspec.DecodeError as error:
        # Elasticsearch takes comments in a document, and they are no JSON.
        reason = f"a page can't be read; has a document of it comments in its JSON? ({error})"
        raise Unreadable(reason) from error
    end = 0
    for document in found.documents:
        if source := bytes(document.source):
            member = b'"_source":' + source
            end = masked.index(member, end) + len(member)
            document.source = msgspec.Raw(answer[end - len(source) : end])
    return found
