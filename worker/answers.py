"""Answers to outcomes: what Elasticsearch said of each action, as a closed set. Pure.

An answer is `Settled` (final, with an `Outcome`) or `Trouble` (never reported; the batcher's to handle):

THROTTLED    not executed, the cluster asks for patience (429, a block that is lifted by itself)
UNAVAILABLE  not executed as far as anyone knows; the cluster or the shard is away
UNSURE       sent, answer not seen: it may have been executed
CONFLICT     the document changed between the look and the write: look again
REFUSED      the whole request was refused (400, 413): one action in it is guilty
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from elastic_transport import ApiError, ConnectionError, ConnectionTimeout, SerializationError, TransportError

from jobs.outcomes import Outcome

from .actions import Action, ActionKind


class Trouble(StrEnum):
    """Why an action is not settled yet."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNSURE = "unsure"
    CONFLICT = "conflict"
    REFUSED = "refused"


class Settled(NamedTuple):
    """The final word on one action. `type` and `reason` only where it was rejected."""

    outcome: Outcome
    version: int | None = None
    seq_no: int | None = None
    type: str | None = None
    reason: str | None = None


Answer = Settled | Trouble

_RESULTS = {
    "created": Outcome.CREATED,
    "updated": Outcome.UPDATED,
    "noop": Outcome.UNCHANGED,
    "deleted": Outcome.DELETED,
    "not_found": Outcome.MISSING,
}
_UNAVAILABLE = frozenset({502, 503, 504})
_REASON_CHARACTERS = 2000
_REFUSALS = frozenset({400, 413})
# A server of another major version answers every request with 400 and this type.
_NOT_THE_DOCUMENTS = frozenset({"media_type_header_exception"})


def rejected(type: str, reason: str) -> Settled:
    """A final refusal."""
    return Settled(Outcome.REJECTED, type=type, reason=reason)


def read_item(action: Action, conditional: bool, item: Mapping[str, Any]) -> Answer:
    """The answer to one action of a bulk request.

    `conditional`: the line carried `if_seq_no`, so that a 409 says that the look is out of date.
    """
    status = item.get("status", 500)
    result = _RESULTS.get(item.get("result", ""))
    if result is not None and "error" not in item:
        return Settled(result, version=item.get("_version"), seq_no=item.get("_seq_no"))
    error = type_and_reason(item.get("error"))
    if status == 409:
        return Trouble.CONFLICT if conditional else Settled(Outcome.SUPERSEDED)
    if status == 404 and conditional and error[0] == "document_missing_exception":
        return Trouble.CONFLICT
    if status < 300:
        return Trouble.UNSURE  # a result that Elasticsearch is not known to give
    if status == 404 and action.kind is ActionKind.DELETE and error[0] == "index_not_found_exception":
        return Settled(Outcome.MISSING)
    if status == 429 or error[0] == "cluster_block_exception":
        return Trouble.THROTTLED
    if status in _UNAVAILABLE:
        return Trouble.UNAVAILABLE
    return rejected(*error)


def read_failure(error: Exception) -> tuple[Trouble, str, str]:
    """What a failed request means for every action in it: the trouble, a type and a reason.

    Raises the error itself where it is none of the client's: that is a defect of ours, to be seen.
    """
    match error:
        case ApiError():
            kind, reason = type_and_reason(_error_member(error.body))
            return _trouble_of(error, kind), kind, reason or f"HTTP status {error.meta.status}"
        case ConnectionTimeout():
            return Trouble.UNSURE, "timeout", str(error)
        case ConnectionError():
            return Trouble.UNSURE, "connection", str(error)
        case SerializationError():
            return Trouble.UNSURE, "unreadable_answer", "the answer is not what Elasticsearch sends"
        case TransportError():
            return Trouble.UNSURE, type(error).__name__, str(error)
        case _:
            raise error


def _trouble_of(error: ApiError, kind: str) -> Trouble:
    """Only 400 and 413 can be an action's fault; all else concerns credentials, versions, proxies."""
    if error.meta.status == 429:
        return Trouble.THROTTLED
    if error.meta.status in _REFUSALS and kind not in _NOT_THE_DOCUMENTS:
        return Trouble.REFUSED
    return Trouble.UNAVAILABLE


def _error_member(body: Any) -> Any:
    return body.get("error") if isinstance(body, Mapping) else body


def type_and_reason(error: Any) -> tuple[str, str]:
    """Type and reason, the cause's too where it says more: mapping conflicts hide the field there.

    A reason can quote a whole document, and what a proxy answers is a whole page: reports stay small.
    """
    if not isinstance(error, Mapping):
        return "unknown", _short(str(error or ""))
    reason = str(error.get("reason", ""))
    cause = error.get("caused_by")
    if isinstance(cause, Mapping) and cause.get("reason"):
        reason = f"{reason}: {cause['reason']}"
    return str(error.get("type", "unknown")), _short(reason)


def _short(reason: str) -> str:
    return reason if len(reason) <= _REASON_CHARACTERS else f"{reason[:_REASON_CHARACTERS]}…"
