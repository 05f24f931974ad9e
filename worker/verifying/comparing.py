"""What differs between the records of a source and the documents of an index. Pure.

Contents are compared by a hash of their JSON with its names sorted: a number that is written in another way
(``1`` and ``1.0``) is another content, the order of names is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from ..exact_json import loads
from ..records import BadRecord
from ..registry import Record
from ..reindexing.pages import Hit


class Kind(StrEnum):
    """How a document can differ from its record."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


class Difference(NamedTuple):
    """One document that is not as its record. `routing` is where the document is, or would be."""

    kind: Kind
    id: str
    routing: str | None


def content_hash(document: Any) -> bytes:
    """16 bytes that are equal for equal contents. Raises TypeError or ValueError for what is no JSON."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # a whole number of more than 64 bits
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return blake2b(text, digest_size=16).digest()


def from_source(records: Iterable[Record], hits: Iterable[Hit | None]) -> list[Difference]:
    """What the index lacks or has otherwise; `hits` are the documents of the records, by position.

    Raises BadRecord for a record that JSON can't hold.
    """
    found: list[Difference] = []
    for record, hit in zip(records, hits, strict=True):
        if record.document is None:
            if hit is not None:
                found.append(Difference(Kind.EXTRA, record.id, record.routing))
        elif hit is None:
            found.append(Difference(Kind.MISSING, record.id, record.routing))
        elif not _equal(record, hit):
            found.append(Difference(Kind.DIFFERENT, record.id, record.routing))
    return found


def misrouted(hits: Iterable[Hit], records: Mapping[str, Record]) -> list[Hit]:
    """Documents under another routing than that of their record."""
    return [hit for hit in hits if _is_there(hit, records) and records[hit.id].routing != hit.routing]


def extra(
    hits: Iterable[Hit], records: Mapping[str, Record], homes: Mapping[str, str | None]
) -> list[Difference]:
    """Documents that the source has no record of, or that are not where their record is.

    `homes`: the routing under which the document of a record was found, where it is not the record's own.
    """
    return [
        Difference(Kind.EXTRA, hit.id, hit.routing)
        for hit in hits
        if not _is_there(hit, records) or homes.get(hit.id, records[hit.id].routing) != hit.routing
    ]


def _is_there(hit: Hit, records: Mapping[str, Record]) -> bool:
    record = records.get(hit.id)
    return record is not None and record.document is not None


def _equal(record: Record, hit: Hit) -> bool:
    try:
        return content_hash(record.document) == content_hash(loads(hit.source))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRecord(f"record {record.id!r}: JSON can't hold it: {error}") from None
