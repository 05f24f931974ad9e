"""The rules for index names and document ids, so that a bad one is refused where it is enqueued. Pure.

Index names: Elasticsearch's reference, "Create index API", path parameters. Ids: at most 512 bytes of
UTF-8 (`IndexRequest.MAX_DOCUMENT_ID_LENGTH_IN_BYTES`); a longer one fails the whole bulk request.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

MAX_INDEX_NAME_BYTES = 255
MAX_ID_BYTES = 512
MAX_ROUTING_BYTES = 512

_FORBIDDEN = frozenset(' \\/*?"<>|,#:\t\n\r')
# The way almost every name goes: one match instead of a walk over its characters.
_PLAIN_INDEX_NAME = re.compile(r"[a-z0-9.][a-z0-9._-]{0,254}")


def check_index_name(name: str) -> str:
    """The name unchanged. Raises ValueError with the rule that it breaks."""
    if _PLAIN_INDEX_NAME.fullmatch(name) and name not in (".", ".."):
        return name
    if not name:
        raise ValueError("an index name can't be empty")
    if name in (".", ".."):
        raise ValueError("an index name can't be '.' or '..'")
    if name[0] in "-_+":
        raise ValueError(f"an index name can't start with {name[0]!r}")
    if bad := sorted(set(name) & _FORBIDDEN):
        raise ValueError(f"an index name can't contain {bad[0]!r}")
    if name != name.lower():
        raise ValueError("an index name must be lowercase")
    return check_length(name, "an index name", MAX_INDEX_NAME_BYTES)


def check_length(text: str, what: str, most_bytes: int) -> str:
    """The text unchanged. Raises ValueError where it is empty, over-long or not encodable as UTF-8."""
    if not text:
        raise ValueError(f"{what} can't be empty")
    # A character takes four bytes at the most: only texts near the limit have to be encoded here.
    if len(text) * 4 <= most_bytes and text.isascii():
        return text
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} holds half a surrogate pair, which UTF-8 can't encode") from error
    if size > most_bytes:
        raise ValueError(f"{what} can have {most_bytes} bytes of UTF-8 at the most, this one has {size}")
    return text


def _check_id(text: str) -> str:
    return check_length(text, "a document id", MAX_ID_BYTES)


def _check_routing(text: str) -> str:
    return check_length(text, "a routing value", MAX_ROUTING_BYTES)


# What the published JSON Schema says of the rules above. It counts characters, not bytes: a necessary
# condition, so that it refuses nothing that the models take.
_INDEX_NAME_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_INDEX_NAME_BYTES,
    "pattern": r'^(?!\.\.?$)(?![-_+])[^A-Z \\/*?"<>|,#:\t\n\r]+$',
}


def _text_schema(most_bytes: int) -> dict[str, object]:
    return {"type": "string", "minLength": 1, "maxLength": most_bytes}


_STRICT = StringConstraints(strict=True)
IndexName = Annotated[str, _STRICT, AfterValidator(check_index_name), WithJsonSchema(_INDEX_NAME_SCHEMA)]
DocumentId = Annotated[str, _STRICT, AfterValidator(_check_id), WithJsonSchema(_text_schema(MAX_ID_BYTES))]
Routing = Annotated[
    str, _STRICT, AfterValidator(_check_routing), WithJsonSchema(_text_schema(MAX_ROUTING_BYTES))
]
