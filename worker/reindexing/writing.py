"""Copies of documents on their way into an index, each with the version that it has where it comes from.

A copy never overwrites what is newer (`external_gte`), so that writing one again changes nothing: whatever
has no clear answer is sent again, for as long as it takes.

1. Send all copies in one `_bulk` request.
2. What was throttled, has lost its shard or was not answered: after a backoff, again.
3. A request that was refused as a whole (400, 413) or makes Elasticsearch fail (500) is halved until the
   guilty copy stands alone; a refused one is rejected then, a failing one is tried again.

How large a request is, is the caller's to say: see `cut`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, assert_never

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch

from jobs.outcomes import Outcome
from worker.actions import Action, ActionKind
from worker.answers import Answer, Blocked, Problem, Settled, Trouble, read_failure, read_item
from worker.backoff import Backoff
from worker.bulk_request import NotElasticsearch, send_bulk, without_frames
from worker.lines import Line

from .patience import Sleep, is_final, pause

# An action line without its names.
_LINE_BYTES = 120
# One copy in the request may be the cause.
_GUILT = frozenset({Trouble.REFUSED, Trouble.FAILED})
_NO_RIGHT = "security_exception"
_NO_ROUTING = "routing_missing_exception"
_NO_PIPELINE = "_none"


class Copy(NamedTuple):
    """One document to write, or to remove where `source` is None; `version` is the one it is to have.

    `pipeline`: whether the index's default pipeline is to see it, as it sees what comes from outside. What an
    index holds has been through one, and would not be a copy behind a second.
    """

    id: str
    routing: str | None
    version: int
    source: bytes | None
    pipeline: bool = False


class Rejected(NamedTuple):
    """A copy that can never be written as it is, with Elasticsearch's reason."""

    id: str
    type: str
    reason: str


class Written(NamedTuple):
    """What became of the copies: `newer` ones were there already, in a newer version."""

    written: int
    newer: int
    removed: int
    rejected: list[Rejected]


async def write_copies(
    client: AsyncElasticsearch,
    index: str,
    copies: Sequence[Copy],
    backoff: Backoff,
    *,
    sleep: Sleep = asyncio.sleep,
) -> Written:
    """Write them all, with as many requests as it takes.

    Raises ApiError for what is final for the whole: a missing right, a server that is none of ours.
    """
    tally = _Tally()
    parts = deque([copies] if copies else [])
    troubles = 0
    while parts:
        part = parts.popleft()
        troubled, trouble, problem = await _send(client, index, part, tally)
        if not troubled:
            troubles = 0
            continue
        if trouble is Trouble.REFUSED and len(part) == 1:
            tally.rejected.append(Rejected(part[0].id, problem.type, problem.reason))
        elif trouble in _GUILT and len(part) > 1:
            parts.extendleft((part[len(part) // 2 :], part[: len(part) // 2]))
        else:
            parts.append(troubled)  # behind the others: they may go through
        if trouble is not Trouble.REFUSED:
            troubles += 1
            await pause(trouble, problem, troubles, backoff, sleep)
    return tally.written()


def cut(copies: Iterable[Copy], most_actions: int, most_bytes: int) -> Iterator[list[Copy]]:
    """Copies in parts that each make a request of at most so many actions and bytes, or of one copy."""
    part: list[Copy] = []
    size = 0
    for copy in copies:
        grown = _LINE_BYTES + len(copy.id) + len(copy.source or b"")
        if part and (len(part) == most_actions or size + grown > most_bytes):
            yield part
            part, size = [], 0
        part.append(copy)
        size += grown
    if part:
        yield part


def one_line(source: bytes) -> bytes:
    """A source without line ends, which a bulk request and a line of a file can't hold. No digit changes.

    They stand only between its parts: in a text Elasticsearch takes them escaped, or not at all.
    """
    return source.replace(b"\n", b" ").replace(b"\r", b" ")


@dataclass
class _Tally:
    counts: dict[Outcome, int] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, copy: Copy, answer: Settled) -> None:
        if answer.outcome is Outcome.REJECTED:
            self.rejected.append(Rejected(copy.id, answer.type or "unknown", answer.reason or ""))
        else:
            self.counts[answer.outcome] = self.counts.get(answer.outcome, 0) + 1

    def written(self) -> Written:
        count = self.counts.get
        return Written(
            written=count(Outcome.CREATED, 0) + count(Outcome.UPDATED, 0),
            newer=count(Outcome.SUPERSEDED, 0),
            removed=count(Outcome.DELETED, 0) + count(Outcome.MISSING, 0),
            rejected=self.rejected,
        )


async def _send(
    client: AsyncElasticsearch, index: str, copies: Sequence[Copy], tally: _Tally
) -> tuple[list[Copy], Trouble, Problem]:
    """What has no final answer, and why; what has is in the tally."""
    try:
        items = await send_bulk(client, [_line(index, copy) for copy in copies])
        answers = [_answer(index, copy, item) for copy, item in zip(copies, items, strict=True)]
    except NotElasticsearch as error:
        return list(copies), Trouble.UNSURE, Problem("unreadable_answer", str(error))
    except (ApiError, TransportError) as error:
        trouble, problem = read_failure(without_frames(error))
        if is_final(error) and trouble is not Trouble.REFUSED:
            raise
        return list(copies), trouble, problem
    troubled: list[Copy] = []
    trouble, problem = Trouble.UNAVAILABLE, Problem()
    for copy, answer in zip(copies, answers, strict=True):
        match answer:
            case Settled():
                tally.add(copy, answer)
            case Blocked():
                troubled.append(copy)
                trouble, problem = Trouble.BLOCKED, Problem(*answer)
            case Trouble():
                troubled.append(copy)
                trouble = answer
            case _:
                assert_never(answer)
    return troubled, trouble, problem


def _line(index: str, copy: Copy) -> Line:
    header: dict[str, Any] = {
        "_index": index,
        "_id": copy.id,
        "version": copy.version,
        "version_type": "external_gte",
    }
    if copy.routing is not None:
        header["routing"] = copy.routing
    if copy.source is None:
        return Line({"delete": header}, None)
    if not copy.pipeline:
        header["pipeline"] = _NO_PIPELINE
    return Line({"index": header}, one_line(copy.source))


def _answer(index: str, copy: Copy, item: dict[str, Any]) -> Answer:
    """Raises NotElasticsearch where the item is about another document."""
    if item.get("_id", copy.id) != copy.id:
        raise NotElasticsearch("the items of a bulk answer are not in the order of its actions")
    kind = ActionKind.DELETE if copy.source is None else ActionKind.INDEX
    answer = read_item(Action(kind, index, copy.id, key="", number=0), False, item)
    if copy.source is None and isinstance(answer, Settled) and answer.type == _NO_ROUTING:
        return Settled(Outcome.MISSING)  # the mapping asks for a routing: there is no such document
    if isinstance(answer, Blocked) and answer.type == _NO_RIGHT:
        return Settled(Outcome.REJECTED, type=answer.type, reason=answer.reason)
    return answer
