"""How a job and its result are written in Redis: arq's own members, as JSON. Pure.

A job that our client enqueues has one line before the JSON:

    P1 <number> <document key> <document key> …
    {"f":"index","t":null,"a":[],"et":1795231312209,"k":{"index":"products","id":"42","document":{…}}}

The enqueue script writes the number; the claim script reads the keys, so that Lua never decodes a
document. A job enqueued by a plain arq pool has the JSON alone, and so has a `load`, whose index a worker
knows: they get their first line when one admits them. Pickle is refused, never loaded.

`serialize` and `deserialize` are what to hand to arq (`job_serializer`, `job_deserializer`).
"""

from __future__ import annotations

import asyncio
import json
from binascii import b2a_base64
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

from .errors import InvalidJob, JobFailed, UnreadableJob
from .models import BulkWrite, DeleteDocument, IndexDocument, LoadDocuments, Payload, UpdateDocument
from .raw import RawBulk
from .report import Report, refusal

HEADER_MARK = b"P1 "
DEFAULT_MAX_JOB_BYTES = 10 * 1024 * 1024


class StoredJob(NamedTuple):
    """The parts of what is stored for a job: its number (None before admission), its keys, its JSON."""

    number: int | None
    document_keys: tuple[str, ...]
    body: bytes


def document_key(index: str, id: str) -> str:
    """Sixteen characters that stand for one document in Redis; equal documents have equal keys.

    The first four stand for the index name, so that a script sees which index a job is on.
    """
    digest = blake2b(f"{index}\0{id}".encode(), digest_size=9).digest()
    return index_key(index) + b2a_base64(digest, newline=False).decode()


@lru_cache(maxsize=1024)
def index_key(index: str) -> str:
    """Four characters that stand for an index name; now and then two names have the same."""
    return b2a_base64(blake2b(index.encode(), digest_size=3).digest(), newline=False).decode()


def index_key_of(document_key: str) -> str:
    """The index key in a document key."""
    return document_key[:4]


def document_keys(payload: Payload | RawBulk) -> tuple[str, ...]:
    """The keys of the documents that a job writes, one for each action, in order."""
    match payload:
        case IndexDocument() | UpdateDocument() | DeleteDocument():
            return (document_key(payload.index, payload.id),)
        case BulkWrite():
            return tuple(document_key(action.index, action.id) for action in payload.actions)
        case RawBulk():
            return tuple(document_key(payload.index, document.id) for document in payload.documents)
        case _:
            return ()


def actions_in(payload: Payload | RawBulk) -> int:
    """How many numbers a job takes when it is enqueued; 0 where a worker has to name its documents first."""
    return 0 if isinstance(payload, LoadDocuments) else len(document_keys(payload)) or 1


def encode_job(
    payload: Payload | RawBulk, *, enqueued_ms: int, max_bytes: int = DEFAULT_MAX_JOB_BYTES
) -> bytes:
    """The JSON of one job. Raises InvalidJob where JSON can't hold it or it is over `max_bytes`.

    pydantic's encoder is four times as fast as the standard library's. It also writes what is no JSON
    (sets, numbers as keys): the models have refused that by now.
    """
    encoded = _encoded(payload, enqueued_ms)
    if len(encoded) > max_bytes:
        raise InvalidJob("job", len(encoded), f"a job can have {max_bytes} bytes at the most")
    return encoded


def _encoded(payload: Payload | RawBulk, enqueued_ms: int) -> bytes:
    if isinstance(payload, RawBulk):
        return payload.encoded(enqueued_ms)
    try:
        return _encode(payload, enqueued_ms)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _not_json(payload, error) from error


def _encode(payload: Payload, enqueued_ms: int) -> bytes:
    arguments = payload.arguments()
    members: dict[str, Any] = {"f": payload.job, "t": None, "a": [], "et": enqueued_ms, "k": arguments}
    if not isinstance(payload, BulkWrite):
        return to_json(members)
    # Each action on a line of its own: the worker cuts the documents out as they are (worker/plain_index.py).
    actions = b",\n".join(map(to_json, arguments["actions"]))
    arguments["actions"] = []
    before, _, after = to_json(members).rpartition(b"[]")
    return b"".join((before, b"[\n", actions, b"\n]", after))


def split(raw: bytes) -> StoredJob:
    """What is stored for a job, in its parts. Raises UnreadableJob where the first line is damaged."""
    if not raw.startswith(HEADER_MARK):
        return StoredJob(None, (), raw)
    header, _, body = raw.partition(b"\n")
    try:
        _, number, *keys = header.decode("ascii").split()
        return StoredJob(int(number), tuple(keys), body)
    except ValueError as error:
        raise UnreadableJob(f"the first line is damaged: {header[:80]!r}") from error


def serialize(members: dict[str, Any]) -> bytes:
    """For arq's `job_serializer`: a job or a result as JSON. Results lose their arguments: see below.

    arq repeats a job's arguments in its result; the document would be stored twice, so they are left
    out there. An exception becomes a report that `deserialize` turns into an exception again.
    """
    if "r" in members:
        members = members | {"a": [], "k": {}, "r": _result_to_wire(members["r"])}
    return _dumps(members).encode()


def deserialize(raw: bytes) -> dict[str, Any]:
    """For arq's `job_deserializer`: the inverse of `serialize`. Raises UnreadableJob."""
    members = loads(split(raw).body)
    if "r" in members and members.get("s") is False:
        members["r"] = _failure_from_wire(members["r"])
    return members


def loads(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises UnreadableJob, without quoting what may be private."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = "a pickle, which is never loaded" if body[:1] == b"\x80" else "not JSON"
        raise UnreadableJob(f"what is stored for the job is {kind}") from error
    if not isinstance(members, dict):
        raise UnreadableJob(f"expected a JSON object with arq's members, got {type(members).__name__}")
    return members


# Made once: `json.dumps` with these options would build an encoder at every call.
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _result_to_wire(result: Any) -> Any:
    match result:
        case Report():
            return result.to_wire()
        case JobFailed():
            return {"error": "failed", "report": result.report.to_wire()}
        case asyncio.CancelledError():
            return {"error": "cancelled"}
        case BaseException():
            reason = str(result).encode("utf-8", "backslashreplace").decode()
            report = refusal(type(result).__name__, reason)
            return {"error": "failed", "report": report.to_wire()}
        case _:
            return result


def _failure_from_wire(result: Any) -> BaseException:
    if isinstance(result, dict) and result.get("error") == "cancelled":
        return asyncio.CancelledError()
    try:
        return JobFailed(Report.from_wire(result["report"]))
    except (TypeError, ValueError, LookupError):
        return JobFailed(refusal("unknown", str(result)))


def _not_json(payload: Payload, error: Exception) -> InvalidJob:
    """Names the member that JSON can't hold, found by trying them one by one."""
    for path, value in _members(payload.arguments().items(), ""):
        try:
            _dumps([path, value]).encode()
        except (ValueError, TypeError, RecursionError):
            printable = path.encode("utf-8", "backslashreplace").decode()
            return InvalidJob(printable, value, "JSON can't hold it")
    return InvalidJob("job", type(error).__name__, "JSON can't hold it")


def _members(items: Iterable[tuple[Any, Any]], prefix: str) -> Iterable[tuple[str, Any]]:
    """Every leaf below with its dotted path; not deeper than a path that a person would read."""
    for name, value in items:
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and path.count(".") < 20:
            yield from _members(value.items(), f"{path}.")
        elif isinstance(value, list) and path.count(".") < 20:
            yield from _members(enumerate(value), f"{path}.")
        else:
            yield path, value
