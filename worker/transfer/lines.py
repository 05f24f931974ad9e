"""Lines of an export: one document each, its source as the bytes that Elasticsearch holds. Pure.

    {"_id":"42","_routing":"de","_source":{"name":"Tap"}}

`_routing` stands only where the document has one. What is read here is held against the same rules, and by
the same parser, as in the worker (`worker/plain_index.py`): a line that passes can't spoil the job that it
travels in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import orjson

from jobs.errors import InvalidJob
from jobs.raw import RawDocument

from ..reindexing.pages import Hit
from ..reindexing.writing import one_line

ReadLine = Callable[[bytes], RawDocument]

# What msgspec raises for what is no JSON, bytes that are no UTF-8, and nesting that it can't follow.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_WHOLE_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)")


class BadLine(ValueError):
    """Raised when a line is no document that could be written; says what is wrong with it."""


def line_of(hit: Hit) -> bytes:
    """The document as a line, with its end."""
    routing = b"" if hit.routing is None else b',"_routing":' + orjson.dumps(hit.routing)
    return b'{"_id":%b%b,"_source":%b}\n' % (orjson.dumps(hit.id), routing, one_line(hit.source))


def read_exported(line: bytes) -> RawDocument:
    """The document of a line that `line_of` has written. Raises BadLine."""
    try:
        found = _EXPORTED.decode(line)
    except msgspec.ValidationError as error:
        reason = f"expected a line of penstock export with _id and _source; {error}"
        raise BadLine(f"{reason} (plain documents need --id-field)") from None
    except _UNREADABLE as error:
        raise _not_json(line, error) from None
    return _checked(found.id, found.routing, bytes(found.source))


def reader_by_field(field: str) -> ReadLine:
    """Reads lines that are plain documents, whose id is at `field`: a name, or a path with dots."""

    def read(line: bytes) -> RawDocument:
        return _checked(_id_at(field, line), None, line)

    return read


class _Exported(msgspec.Struct, forbid_unknown_fields=True):
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source")
    routing: str | None = msgspec.field(name="_routing", default=None)


_EXPORTED = msgspec.json.Decoder(_Exported)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _checked(id: str, routing: str | None, source: bytes) -> RawDocument:
    source = source.strip()
    try:
        if type(orjson.loads(source)) is not dict:
            raise BadLine("the document is no JSON object")
        return RawDocument(id, routing, source).checked()
    except InvalidJob as error:
        raise BadLine(str(error)) from None
    except orjson.JSONDecodeError as error:
        raise BadLine(f"the document is no JSON that can be written: {error}") from None


def _not_json(text: bytes, error: Exception) -> BadLine:
    """With orjson's words, which name the place."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as better:
        error = better
    return BadLine(f"not JSON: {error}")


def _id_at(field: str, line: bytes) -> str:
    """A text, or a whole number of any length in its digits. Raises BadLine."""
    raw = _found(line, field)
    if raw is None:
        raise BadLine(f"the document has no {field}")
    if _WHOLE_NUMBER.fullmatch(raw):
        return raw.decode()
    try:
        id = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"{field}: {error}") from None
    if not isinstance(id, str):
        raise BadLine(f"{field}: expected a text or a whole number, got {type(id).__name__}")
    return id


def _found(document: bytes, path: str) -> bytes | None:
    """The member of that very name, else what lies behind the first part of the path."""
    try:
        members = _MEMBERS.decode(document)
    except msgspec.ValidationError:
        return None
    except _UNREADABLE as error:
        raise _not_json(document, error) from None
    if path in members:
        return bytes(members[path])
    first, dot, rest = path.partition(".")
    return _found(bytes(members[first]), rest) if dot and first in members else None
