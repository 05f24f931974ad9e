"""One bulk request: from actions to answers. Knows Elasticsearch; knows no jobs, no Redis, no retries.

1. Look: one realtime mget (no source) for all actions that depend on what is stored.
2. Plan: each action becomes a line, or an outcome at once.
3. Send: one `_bulk` request through the client's streaming helper, its retries off. `async_bulk`, which
   wraps it, gives counts and errors only; the generator gives every item's answer, in order.
4. Read: the answers by position. A reply with fewer items than lines leaves the rest unsure.
5. Refresh: once, for all actions of the batch that wait until they are visible.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch, NotFoundError
from elasticsearch.helpers import async_streaming_bulk

from jobs.outcomes import Outcome

from .actions import Action
from .answers import Answer, Settled, Trouble, read_failure, read_item
from .batcher import Reply
from .lines import Line, Seen, plan, read_look

logger = logging.getLogger("penstock.writer")

# The batch has been cut already: the helper must not cut it again.
_NO_LIMIT = 2**31
# Seconds before each try of a refresh.
_REFRESH_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0)
_REFRESH_REFUSED = frozenset({400, 401, 403})
_VISIBLE = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.DELETED, Outcome.MISSING})


class NotElasticsearch(Exception):
    """Raised when an answer is none of Elasticsearch's, though its status says success."""


class BulkWriter:
    """Writes batches with one client."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self._client = client

    async def write(self, actions: Sequence[Action]) -> Reply:
        """An answer for each action. Never raises for anything that Elasticsearch or the network did."""
        try:
            return Reply(await self._write(actions))
        except NotElasticsearch as error:
            return Reply([Trouble.UNSURE] * len(actions), ("unreadable_answer", str(error)))
        except (ApiError, TransportError) as error:
            trouble, kind, reason = read_failure(error)
            return Reply([trouble] * len(actions), (kind, reason))

    async def _write(self, actions: Sequence[Action]) -> list[Answer]:
        seen = await self._look([action for action in actions if action.needs_look])
        plans = [plan(action, seen.get(action.key)) for action in actions]
        lines = [line for line in plans if isinstance(line, Line)]
        items = await self._send(lines) if lines else []
        answers = _merge(actions, plans, items)
        return await self._made_visible(actions, answers)

    async def _look(self, actions: Sequence[Action]) -> dict[str, Seen | Answer]:
        """Document key to its present state, for those that exist or could not be looked at."""
        if not actions:
            return {}
        wanted = [_wanted(action) for action in actions]
        answer = await self._client.mget(docs=wanted, source=False)
        found = zip(actions, map(read_look, _documents(answer.body, len(actions))), strict=True)
        return {action.key: seen for action, seen in found if seen is not None}

    async def _send(self, lines: Sequence[Line]) -> list[dict[str, Any]]:
        """The items of the reply, each without the name of its operation around it."""
        stream = async_streaming_bulk(
            self._client,
            lines,  # type: ignore[arg-type]  # the callback below makes header and body of each
            chunk_size=len(lines),
            max_chunk_bytes=_NO_LIMIT,
            expand_action_callback=_header_and_body,  # type: ignore[arg-type]
            raise_on_error=False,
            max_retries=0,
        )
        try:
            return [next(iter(item.values())) async for _, item in stream]
        except (KeyError, TypeError, AttributeError) as error:
            # The helper takes the answer to be Elasticsearch's; something in between has written this one.
            raise NotElasticsearch("the answer to a bulk request has no items") from error

    async def _made_visible(self, actions: Sequence[Action], answers: list[Answer]) -> list[Answer]:
        """The answers, after a refresh for those that wait for it.

        The refresh is repeated, never the write: its answer is known. Where the cluster keeps refusing,
        its own refresh will show the documents.
        """
        pairs = zip(actions, answers, strict=True)
        indices = {action.index for action, answer in pairs if _waits(action, answer)}
        if not indices:
            return answers
        for pause in _REFRESH_PAUSES:
            await asyncio.sleep(pause)
            try:
                await self._refresh(indices)
                return answers
            except (ApiError, TransportError) as error:
                problem = error
                if isinstance(error, ApiError) and error.meta.status in _REFRESH_REFUSED:
                    break
        logger.warning("%s: written, but not refreshed (%r)", ", ".join(sorted(indices)), problem)
        return answers

    async def _refresh(self, indices: set[str]) -> None:
        try:
            await self._client.indices.refresh(index=sorted(indices))
        except NotFoundError:
            # One of them is gone, with all its documents: refresh what is left.
            await self._client.indices.refresh(index=sorted(indices), ignore_unavailable=True)


def _documents(answer: Any, wanted: int) -> list[dict[str, Any]]:
    """The documents of an mget answer. Raises NotElasticsearch where they are not all there."""
    documents = answer.get("docs") if isinstance(answer, dict) else None
    if not isinstance(documents, list) or len(documents) != wanted:
        raise NotElasticsearch(f"the answer to a look at {wanted} documents does not have them")
    return documents


def _wanted(action: Action) -> dict[str, Any]:
    wanted = {"_index": action.index, "_id": action.id}
    return wanted | {"routing": action.routing} if action.routing is not None else wanted


def _header_and_body(line: Line) -> tuple[dict[str, Any], bytes | None]:
    return line.header, line.body


def _merge(
    actions: Sequence[Action], plans: Sequence[Line | Answer], items: Iterable[dict[str, Any]]
) -> list[Answer]:
    """One answer an action: what was settled by the look alone, and what the items say of the rest."""
    answered = iter(items)
    answers: list[Answer] = []
    for action, planned in zip(actions, plans, strict=True):
        if not isinstance(planned, Line):
            answers.append(planned)
        elif (item := next(answered, None)) is None:
            answers.append(Trouble.UNSURE)
        else:
            answers.append(read_item(action, planned.conditional, item))
    return answers


def _waits(action: Action, answer: Answer) -> bool:
    return action.wait_until_visible and isinstance(answer, Settled) and answer.outcome in _VISIBLE
