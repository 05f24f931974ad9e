"""Dead letter to new job: what goes onto the queue when a dead letter is retried. Pure.

1. Read what was stored. A damaged first line does not matter: the new job gets one of its own.
2. Of a bulk or a load keep the rejected actions alone, where all had their answers: the others are applied.
3. Check the payload as every producer's is checked, and encode it with the name of the old job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from .dead_letter import DeadKind, DeadLetter
from .envelope import HEADER_MARK, actions_in, document_keys, loads, serialize
from .errors import InvalidJob, UnreadableJob
from .models import PAYLOADS, BulkWrite, DeleteDocument, IndexDocument, LoadDocuments, Payload, UpdateDocument

_NUMBER = re.compile(rb"P1 ([0-9]{1,16})(?: |$)")


class OldJob(NamedTuple):
    """What was stored for a job: its number (None where it has none that can be read), name, arguments.

    `positions`: of a retry of a part of a bulk, the places of its actions in that bulk, as they were stored.
    """

    number: int | None
    name: str
    positional: list[Any]
    arguments: dict[str, Any]
    positions: Any = None


class NewJob(NamedTuple):
    """One job as the retry script takes it; `number` is the one to keep, None for a new one."""

    actions: int
    keys: str
    number: int | None
    body: bytes


def read_old(raw: bytes) -> OldJob:
    """The job in what was stored for it. Raises UnreadableJob."""
    if not raw:
        raise UnreadableJob("nothing is stored for the job")
    number, body = None, raw
    if raw.startswith(HEADER_MARK):
        header, _, body = raw.partition(b"\n")
        found = _NUMBER.match(header)
        number = int(found[1]) if found else None
    members = loads(body)
    name, positional, arguments = members.get("f"), members.get("a") or [], members.get("k")
    if not (isinstance(name, str) and isinstance(positional, list) and isinstance(arguments, dict)):
        raise UnreadableJob("expected arq's members f (name), a (arguments by place) and k (by keyword)")
    return OldJob(number, name, positional, arguments, members.get("positions"))


def new_job(letter: DeadLetter, raw: bytes, *, enqueued_ms: int, max_bytes: int, keep_number: bool) -> NewJob:
    """The job that a retry of the letter enqueues. Raises UnreadableJob, InvalidJob.

    A job of an unknown name is a function of somebody's: it goes as it is.
    """
    old = read_old(raw)
    positions = _rejected_positions(letter)
    members: dict[str, Any] = {"f": old.name, "t": None, "a": old.positional, "et": enqueued_ms}
    members["retry_of"] = letter.id
    documents: tuple[str, ...] = ()
    actions = 1
    payload = _checked(old, positions) if old.name in PAYLOADS else None
    if keep_number:
        _check_keepable(old, payload)
        members["keep"] = True
        # An action's number is the job's and its place; of a part of the actions the places must be told.
        if (places := _places(positions, old.positions)) is not None:
            members["positions"] = places
    if payload is not None:
        documents, actions = document_keys(payload), actions_in(payload)
    members["k"] = old.arguments if payload is None else payload.arguments()
    spaced = "".join(f" {key}" for key in documents)
    number = old.number if keep_number else None
    return NewJob(actions, spaced, number, _encoded(members, max_bytes))


def _rejected_positions(letter: DeadLetter) -> list[int] | None:
    """The places of the rejected actions of a bulk or a load; None where the job goes as a whole."""
    if letter.kind is not DeadKind.REJECTED or not letter.report.counts:
        return None
    return [rejection.position for rejection in letter.report.rejected]


def _places(positions: list[int] | None, earlier: Any) -> list[int] | None:
    """Where the actions stood in the bulk that the number is from; `earlier`: where the old job's did.

    A retry that kept its number may die as well, and be retried in part.
    """
    if earlier is None:
        return positions
    if not isinstance(earlier, list) or (positions and max(positions) >= len(earlier)):
        raise UnreadableJob("the stored job does not have a position for each action")
    return earlier if positions is None else [earlier[position] for position in positions]


def _checked(old: OldJob, positions: Sequence[int] | None) -> Payload:
    if old.positional:
        raise InvalidJob("a", old.positional, "arguments are passed by keyword, not by place")
    arguments = old.arguments
    if positions is not None:
        many = "ids" if old.name == LoadDocuments.job else "actions"
        arguments = arguments | {many: _those_at(arguments.get(many), positions)}
    try:
        return PAYLOADS[old.name].model_validate(arguments)
    except ValidationError as error:
        raise InvalidJob.from_validation(error) from None


def _those_at(many: Any, positions: Sequence[int]) -> list[Any]:
    if not isinstance(many, list) or max(positions) >= len(many):
        raise UnreadableJob("the report names actions that the stored job has not")
    return [many[position] for position in positions]


def _check_keepable(old: OldJob, payload: Payload | None) -> None:
    """Raises InvalidJob where the job has no number to keep, or could not be applied under it."""
    match payload:
        case IndexDocument() | UpdateDocument() | DeleteDocument():
            actions: tuple[Payload, ...] = (payload,)
        case BulkWrite():
            actions = payload.actions
        case _:
            raise InvalidJob("keep_number", old.name, "only a job that writes documents has a number to keep")
    if old.number is None:
        raise InvalidJob("keep_number", old.name, "the job died before it got a number")
    if any(isinstance(action, IndexDocument) and action.create for action in actions):
        reason = "a create needs that the document is not there, the old number that it still is"
        raise InvalidJob("keep_number", "create", reason)


def _encoded(members: dict[str, Any], max_bytes: int) -> bytes:
    try:
        encoded = serialize(members)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidJob("job", members["f"], "JSON can't hold it") from error
    if len(encoded) > max_bytes:
        raise InvalidJob("job", len(encoded), f"a job can have {max_bytes} bytes at the most")
    return encoded
