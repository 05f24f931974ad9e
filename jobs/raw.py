"""A `bulk` job whose documents are bytes: each travels as it is, to the last digit and space. Pure.

The models parse a document, and a parsed number is a float of 17 digits. What passes documents on that it did
not make (an import) has them as JSON already.
"""

from __future__ import annotations

from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import ClassVar, NamedTuple

from .errors import InvalidJob
from .names import MAX_ID_BYTES, MAX_ROUTING_BYTES, check_index_name, check_length


class RawDocument(NamedTuple):
    """One document to write. `document` is one JSON object on one line: the caller has made sure of that."""

    id: str
    routing: str | None
    document: bytes

    def checked(self) -> RawDocument:
        """Itself. Raises InvalidJob where Elasticsearch would refuse the id or the routing."""
        _check("id", self.id, "an id", MAX_ID_BYTES)
        if self.routing is not None:
            _check("routing", self.routing, "a routing", MAX_ROUTING_BYTES)
        return self

    def to_wire(self) -> bytes:
        """The action as it stands in a job, on one line."""
        routing = b"" if self.routing is None else b',"routing":' + _text(self.routing)
        return b'{"op":"index","id":%b%b,"document":%b}' % (_text(self.id), routing, self.document)


@dataclass(frozen=True, slots=True)
class RawBulk:
    """The documents of one job, which are checked already. Raises InvalidJob for the index."""

    job: ClassVar[str] = "bulk"

    index: str
    documents: tuple[RawDocument, ...]

    def __post_init__(self) -> None:
        try:
            check_index_name(self.index)
        except ValueError as error:
            raise InvalidJob("index", self.index, str(error)) from None

    def encoded(self, enqueued_ms: int) -> bytes:
        """The JSON of the job, each action on a line of its own (see `envelope`)."""
        head = b'{"f":"bulk","t":null,"a":[],"et":%d,"k":{"index":%b,"actions":[\n'
        actions = b",\n".join([document.to_wire() for document in self.documents])
        return b"".join((head % (enqueued_ms, _text(self.index)), actions, b"\n]}}"))


def _text(text: str) -> bytes:
    return encode_basestring(text).encode()


def _check(field: str, text: str, what: str, most_bytes: int) -> None:
    try:
        check_length(text, what, most_bytes)
    except ValueError as error:
        raise InvalidJob(field, text, str(error)) from None
