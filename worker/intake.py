"""What a claimed job says: from stored bytes to a checked payload. Pure.

Everything that a producer could have got wrong ends here as `Refused`, whose report is the job's answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from jobs.envelope import HEADER_MARK, split
from jobs.errors import InvalidJob, JobFailed, UnreadableJob
from jobs.models import (
    PAYLOADS,
    BulkWrite,
    DocumentAction,
    IndexDocument,
    LoadDocuments,
    Payload,
    UpdateDocument,
)
from jobs.names import MAX_ID_BYTES
from jobs.report import Report, refusal

from .exact_json import loads

# The year 5138: beyond it no date can be made of the time, and no result be written with it.
_LATEST_MS = 10**14

# No job has so many actions; beyond, a number and its place would leave Elasticsearch's 64 bits.
_POSITIONS = 2**31

# Our clients write the name first, arq writes the try before it.
_NAME = re.compile(rb'\{\s*(?:"e?t"\s*:\s*(?:null|\d+)\s*,\s*)*"f"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')

# The jobs whose actions go into shared bulk requests; the others run as functions of their own.
WRITES = frozenset({"index", "update", "delete", "bulk"})


class Refused(Exception):
    """Raised when a job can never succeed as it is; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.failure())

    def naming(self, members: Mapping[str, Any]) -> Refused:
        """The same with the dead letter that these members of the job name, if any."""
        retry_of = members.get("retry_of")
        return Refused(replace(self.report, retry_of=retry_of if isinstance(retry_of, str) else None))


class Retried(NamedTuple):
    """What a retried dead letter says of itself (jobs/retrying.py). All is empty for every other job.

    `keep`: it has its old number, and must not bring back what was deleted since. `positions`: the places
    that its actions had in the old job, where not all of them are retried.
    """

    retry_of: str | None = None
    keep: bool = False
    positions: tuple[int, ...] | None = None


NOT_RETRIED = Retried()
RETRIED_MEMBERS = frozenset(Retried._fields)


class Call(NamedTuple):
    """A job as it is stored: arq's members, Penstock's number (None before admission) and keys.

    `first_try` is arq's ``_job_try``: the try that its producer wants it to begin with.
    """

    name: str
    positional: list[Any]
    arguments: dict[str, Any]
    enqueued_ms: int
    first_try: int | None
    number: int | None
    document_keys: tuple[str, ...]
    retried: Retried = NOT_RETRIED


def read_call(raw: bytes, max_bytes: int) -> Call:
    """The call in what is stored for a job. Raises Refused."""
    if not raw:
        raise Refused(refusal("payload_missing", "the queue names this job, but nothing is stored for it"))
    try:
        stored = split(raw)
    except UnreadableJob as error:
        raise Refused(refusal("unreadable_job", str(error))) from error
    if len(stored.body) > max_bytes:
        reason = f"a job can have {max_bytes} bytes at the most, this one has {len(stored.body)}"
        raise Refused(refusal("invalid_job", reason))
    members = _members(stored.body)
    retried = NOT_RETRIED
    try:
        if not RETRIED_MEMBERS.isdisjoint(members):
            retried = read_retried(members)
        _check(members)
    except Refused as refused:
        raise refused.naming(members) from refused
    return Call(
        name=members["f"],
        positional=members.get("a") or [],
        arguments=members["k"],
        enqueued_ms=members["et"],
        first_try=members.get("t"),
        number=stored.number,
        document_keys=stored.document_keys,
        retried=retried,
    )


def name_at_a_glance(raw: bytes) -> str | None:
    """The name of a job by its first bytes alone: of one that may kill whoever reads it. None: not seen."""
    found = _NAME.match(raw, raw.find(b"\n") + 1 if raw.startswith(HEADER_MARK) else 0)
    return None if found is None else found[1].decode("utf-8", "replace")


def read_retried(members: Mapping[str, Any]) -> Retried:
    """What the members of a stored job say of its retry. Anybody can write there: raises Refused."""
    retry_of, keep, positions = (members.get(name) for name in Retried._fields)
    if not (retry_of is None or isinstance(retry_of, str)) or not (keep is None or isinstance(keep, bool)):
        raise Refused(refusal("unreadable_job", "retry_of has to be text, keep true or false"))
    if positions is None:
        return Retried(retry_of, keep is True)
    if not (keep and isinstance(positions, list) and _are_places(positions)):
        reason = "positions have to be whole numbers from 0 on, each greater than the last, beside keep"
        raise Refused(refusal("unreadable_job", reason))
    return Retried(retry_of, keep, tuple(positions))


def _are_places(positions: list[Any]) -> bool:
    whole = all(type(place) is int and 0 <= place < _POSITIONS for place in positions)
    return whole and all(before < place for before, place in pairwise(positions))


def _members(body: bytes) -> dict[str, Any]:
    if body[:1] == b"\x80":
        raise Refused(
            refusal("unreadable_job", "what is stored for the job is a pickle, which is never loaded")
        )
    try:
        members = loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(
            refusal("unreadable_job", f"what is stored for the job is not JSON: {error}")
        ) from error
    return members if isinstance(members, dict) else {}


def _check(members: Mapping[str, Any]) -> None:
    """Raises Refused where they are not what arq writes."""
    wanted = {"f": str, "k": dict, "et": int}
    if not all(isinstance(members.get(name), kind) for name, kind in wanted.items()):
        raise Refused(refusal("unreadable_job", "expected arq's members f (name), k (arguments), et (time)"))
    first_try = members.get("t")
    if not 0 <= members["et"] < _LATEST_MS or not (first_try is None or isinstance(first_try, int)):
        raise Refused(refusal("unreadable_job", "et has to be ms since 1970, t a whole number or null"))
    if not isinstance(members.get("a") or [], list):
        raise Refused(refusal("unreadable_job", "a has to be a list"))
    if members.get("a") and members["f"] in PAYLOADS:
        raise Refused(
            refusal("invalid_job", f"{members['f']}: arguments are passed by keyword, not by place")
        )


class _StoredIndex(IndexDocument):
    """Its document came out of JSON: it need not be walked once more to see whether JSON can hold it."""

    document: dict[str, Any]


class _StoredUpdate(UpdateDocument):
    doc: dict[str, Any] | None = None
    upsert: dict[str, Any] | None = None
    script: dict[str, Any] | None = None


class _StoredBulk(BulkWrite):
    action_models = BulkWrite.action_models | {"index": _StoredIndex, "update": _StoredUpdate}


_STORED: dict[str, type[Payload]] = PAYLOADS | {
    "index": _StoredIndex,
    "update": _StoredUpdate,
    "bulk": _StoredBulk,
}


def read_payload(name: str, arguments: dict[str, Any]) -> Payload:
    """The checked payload of one of Penstock's jobs. Raises Refused, naming field and value."""
    try:
        return _STORED[name].model_validate(arguments)
    except ValidationError as error:
        found = InvalidJob.from_validation(error)
        raise Refused(_invalid(found, arguments)) from error
    except InvalidJob as error:
        raise Refused(_invalid(error, arguments)) from error


_P = TypeVar("_P", bound=Payload)


def payload_of(kind: type[_P], arguments: dict[str, Any]) -> _P:
    """The same for a job that runs as a function. Raises JobFailed."""
    try:
        payload = read_payload(kind.job, arguments)
    except Refused as refused:
        raise JobFailed(refused.report) from refused
    assert isinstance(payload, kind)
    return payload


def read_write(call: Call) -> tuple[DocumentAction | BulkWrite, int]:
    """The checked payload of a claimed job that writes documents, and its number. Raises Refused."""
    payload = read_payload(call.name, call.arguments)
    assert isinstance(payload, DocumentAction | BulkWrite), call.name
    assert call.number is not None, "a job without a number is admitted before it is taken"
    actions = len(payload.actions) if isinstance(payload, BulkWrite) else 1
    if len(call.document_keys) != actions:
        reason = f"its first line names {len(call.document_keys)} documents, the job has {actions} actions"
        raise Refused(refusal("unreadable_job", reason))
    check_kept(payload, call.retried)
    return payload, call.number


def read_load(call: Call) -> tuple[LoadDocuments, int]:
    """The checked payload of a claimed `load`, and its number. Raises Refused."""
    payload = read_payload(call.name, call.arguments)
    assert isinstance(payload, LoadDocuments), call.name
    assert call.number is not None, "a job without a number is admitted before it is taken"
    check_kept(payload, call.retried)
    return payload, call.number


def check_kept(payload: DocumentAction | BulkWrite | LoadDocuments, retried: Retried) -> None:
    """Raises Refused where a job that keeps its number can't be applied under it."""
    if not retried.keep:
        return
    if isinstance(payload, LoadDocuments):
        raise Refused(refusal("invalid_job", "keep: a load reads what the source has now"))
    actions = payload.actions if isinstance(payload, BulkWrite) else (payload,)
    if retried.positions is not None and len(retried.positions) != len(actions):
        reason = f"it has {len(retried.positions)} positions for {len(actions)} actions"
        raise Refused(refusal("unreadable_job", reason))
    if any(isinstance(action, IndexDocument) and action.create for action in actions):
        reason = "keep: a create needs that the document is not there, the old number that it still is"
        raise Refused(refusal("invalid_job", reason, index=payload.index))


def _invalid(error: InvalidJob, arguments: dict[str, Any]) -> Report:
    index, id = _name(arguments.get("index")), _name(arguments.get("id"))
    return refusal("invalid_job", str(error), index=index, id=id)


def _name(value: Any) -> str | None:
    """An index name or an id for a report, which stays small."""
    return value if isinstance(value, str) and len(value) <= MAX_ID_BYTES else None
