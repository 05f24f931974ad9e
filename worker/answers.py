"""Answers to outcomes: what Elasticsearch said of each action, as a closed set. Pure.

An answer is `Settled` (final, with an `Outcome`), `Blocked` (its index takes no writes for now) or another
`Trouble` (never reported; the batcher's to handle):

THROTTLED    not executed, the cluster asks for patience (429)
UNAVAILABLE  not executed as far as anyone knows; the cluster or the shard is away
UNSURE       sent, answer not seen: it may have been executed
CONFLICT     the document changed between the look and the write: look again
REFUSED      the whole request was refused (400, 413): one action in it is guilty
FAILED       the whole request was answered with 500: one action in it may do that to Elasticsearch
BLOCKED      not executed; its index alone is closed to writes (a full disk, a write block, a missing right)
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from elastic_transport import (
    ApiError,
    ConnectionError,
    ConnectionTimeout,
    HttpHeaders,
    SerializationError,
    TransportError,
)

from jobs.outcomes import Outcome

from .actions import Action, ActionKind


class Trouble(StrEnum):
    """Why an action is not settled yet."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNSURE = "unsure"
    CONFLICT = "conflict"
    REFUSED = "refused"
    FAILED = "failed"
    BLOCKED = "blocked"


class Away(Enum):
    """What a failed request says of the cluster as a whole."""

    NO = "no"
    """It has answered."""
    MAYBE = "maybe"
    """No answer in time, or none of Elasticsearch's."""
    YES = "yes"
    """It can't be reached, or lets nobody in."""


class Problem(NamedTuple):
    """What troubled a request as a whole.

    `retry_after`: the seconds for which the cluster has asked for silence.
    """

    type: str = ""
    reason: str = ""
    away: Away = Away.NO
    retry_after: float = 0.0


NO_PROBLEM = Problem()


class Settled(NamedTuple):
    """The final word on one action. `type` and `reason` only where it was rejected."""

    outcome: Outcome
    version: int | None = None
    seq_no: int | None = None
    type: str | None = None
    reason: str | None = None


class Blocked(NamedTuple):
    """Not executed: the action's index takes no writes for now. Nothing of the document is wrong."""

    type: str
    reason: str


Answer = Settled | Blocked | Trouble

_RESULTS = {
    "created": Outcome.CREATED,
    "updated": Outcome.UPDATED,
    "noop": Outcome.UNCHANGED,
    "deleted": Outcome.DELETED,
    "not_found": Outcome.MISSING,
}
_UNAVAILABLE = frozenset({502, 503, 504})
_GONE = frozenset({Outcome.MISSING, Outcome.DELETED})
_REASON_CHARACTERS = 2000
_REFUSALS = frozenset({400, 413})
_LONGEST_RETRY_AFTER_SECONDS = 60.0
# What a whole request that was not executed says of the cluster. A 500 may be one action's doing.
_AWAY = {Trouble.THROTTLED: Away.NO, Trouble.FAILED: Away.MAYBE, Trouble.UNAVAILABLE: Away.YES}
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
        return _read_result(action, result, item)
    error = type_and_reason(item.get("error"))
    if status == 409:
        return Trouble.CONFLICT if conditional else Settled(Outcome.SUPERSEDED)
    if status == 404 and conditional and error[0] == "document_missing_exception":
        return Trouble.CONFLICT
    if status < 300:
        return Trouble.UNSURE  # a result that Elasticsearch is not known to give
    if status == 404 and action.kind is ActionKind.DELETE and error[0] == "index_not_found_exception":
        return Settled(Outcome.MISSING)
    if _is_block(action, status, error[0]):
        return Blocked(*error)
    if status == 429:
        return Trouble.THROTTLED
    if status in _UNAVAILABLE or _has_just_gone(item, error):
        return Trouble.UNAVAILABLE
    return rejected(*error)


def _has_just_gone(item: Mapping[str, Any], error: tuple[str, str]) -> bool:
    """Whether the index was deleted between its creation for this very request and the write.

    The next request creates it. Where Elasticsearch is not to create indices its reason is another one.
    """
    return error == ("index_not_found_exception", f"no such index [{item.get('_index')}]")


def _is_block(action: Action, status: int, kind: str) -> bool:
    """A full disk, a block that somebody set, a missing right, an alias that is not there (yet)."""
    match kind:
        case "cluster_block_exception":
            return status in (403, 429)
        case "security_exception":
            return status in (401, 403)
        case "index_not_found_exception":
            return status == 404 and action.require_alias
        case _:
            return False


def _read_result(action: Action, result: Outcome, item: Mapping[str, Any]) -> Settled:
    if action.kind is not ActionKind.INDEX:  # nearly every action is one
        if action.kind in (ActionKind.UPDATE, ActionKind.REPLACE) and result in _GONE:
            # The delete that found out whether it had run before (see lines.plan).
            return rejected("document_missing_exception", f"[{action.id}]: document missing")
        if action.kind is ActionKind.CREATE and result is Outcome.UPDATED:
            result = Outcome.CREATED  # the first answer was lost: what it replaces is its own write
    return Settled(result, version=item.get("_version"), seq_no=item.get("_seq_no"))


def read_failure(error: Exception) -> tuple[Trouble, Problem]:
    """What a failed request means for every action in it, and what it says of the cluster.

    Raises the error itself where it is none of the client's: that is a defect of ours, to be seen.
    """
    match error:
        case ApiError():
            return _read_refusal(error)
        case ConnectionTimeout():
            return Trouble.UNSURE, Problem("timeout", str(error), Away.MAYBE)
        case ConnectionError():
            return Trouble.UNSURE, Problem("connection", str(error), Away.YES)
        case SerializationError():
            reason = "the answer is not what Elasticsearch sends"
            return Trouble.UNSURE, Problem("unreadable_answer", reason, Away.MAYBE)
        case TransportError():
            return Trouble.UNSURE, Problem(type(error).__name__, str(error), Away.MAYBE)
        case _:
            raise error


def _read_refusal(error: ApiError) -> tuple[Trouble, Problem]:
    kind, reason = type_and_reason(_error_member(error.body))
    reason = reason or f"HTTP status {error.meta.status}"
    trouble = _trouble_of(error, kind)
    if trouble is Trouble.REFUSED:
        return trouble, Problem(kind, reason)
    return trouble, Problem(kind, reason, _AWAY[trouble], _retry_after(error.meta.headers))


def _retry_after(headers: HttpHeaders) -> float:
    """The seconds in a `Retry-After`, 0 where there is none; a date counts from the answer's own date."""
    wish = (headers.get("retry-after") or "").strip()
    try:
        if wish.isdecimal():
            seconds = float(wish)
        else:
            answered, until = (parsedate_to_datetime(text) for text in (headers["date"], wish))
            seconds = (until - answered).total_seconds()
    except (KeyError, ValueError, TypeError):  # TypeError: only one of the dates has a time zone
        return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_SECONDS)


def _trouble_of(error: ApiError, kind: str) -> Trouble:
    """Only 400, 413 and 500 can be an action's fault; all else concerns credentials, versions, proxies."""
    if error.meta.status == 429:
        return Trouble.THROTTLED
    if error.meta.status == 500:
        return Trouble.FAILED
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
