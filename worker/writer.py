"""One bulk request: from actions to answers. Knows Elasticsearch; knows no jobs, no Redis, no retries.

1. Look: one realtime mget (no source) for all actions that depend on what is stored.
2. Plan: each action becomes a line, or an outcome at once.
3. Send: one `_bulk` request, its body joined from bytes that are serialised already (`bulk_request`).
4. Read: the answers by position. A reply that does not have exactly one item a line leaves all unsure.
5. Refresh: once, for all actions of the batch that wait until they are visible.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from elastic_transport import ApiError, TransportError
from elasticsearch import NotFoundError

from jobs.outcomes import Outcome

from .actions import Action
from .answers import Answer, Away, Problem, Settled, Trouble, read_failure, read_item
from .batcher import Reply
from .bulk_request import NotElasticsearch, send_bulk, without_frames
from .elastic import ProcessClient
from .lines import Absent, Line, Seen, plan, read_look

logger = logging.getLogger("penstock.writer")

# Seconds before each try of a refresh.
_REFRESH_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0)
_NO_RIGHT_TO_READ = frozenset({401, 403})
_REFRESH_REFUSED = frozenset({400, 401, 403})
_VISIBLE = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.DELETED, Outcome.MISSING})


class BulkWriter:
    """Writes batches with the client of its process, asked for anew for each request.

    `may_send` is asked before each: a worker that was stopped and continued may have lost its documents to
    another one without having noticed.
    """

    def __init__(self, elastic: ProcessClient, may_send: Callable[[], bool] = lambda: True) -> None:
        self._elastic, self._may_send = elastic, may_send

    async def write(self, actions: Sequence[Action]) -> Reply:
        """An answer for each action. Never raises for anything that Elasticsearch or the network did.

        Raises UsedAfterFork in another process than the client's.
        """
        try:
            return Reply(await self._write(actions))
        except NotElasticsearch as error:
            problem = Problem("unreadable_answer", str(error), Away.MAYBE)
            return Reply([Trouble.UNSURE] * len(actions), problem)
        except (ApiError, TransportError) as error:
            trouble, problem = read_failure(without_frames(error))
            return Reply([trouble] * len(actions), problem)

    async def _write(self, actions: Sequence[Action]) -> list[Answer]:
        seen = await self._look([action for action in actions if action.needs_look])
        plans = [plan(action, seen.get(action.key)) for action in actions]
        lines = [line for line in plans if isinstance(line, Line)]
        if not self._may_send():
            # The look may have been executed after another worker took over: an update on top of what
            # that one wrote would pass for a first one.
            return [Trouble.UNSURE] * len(actions)
        items = await send_bulk(self._elastic.client, lines) if lines else []
        answers = _merge(actions, plans, items)
        return await self._made_visible(actions, answers)

    async def _look(self, actions: Sequence[Action]) -> dict[str, Seen | Absent | Answer]:
        """Document key to its present state, for those that exist or could not be looked at."""
        if not actions:
            return {}
        wanted = [_wanted(action) for action in actions]
        try:
            answer = await self._elastic.client.mget(docs=wanted, source=False)
        except ApiError as error:
            if error.meta.status not in _NO_RIGHT_TO_READ:
                raise
            # Who may write and not read can index and delete: only what has to be looked at waits.
            return {action.key: Trouble.UNAVAILABLE for action in actions}
        found = zip(actions, map(read_look, _documents(answer.body, len(actions))), strict=True)
        return {action.key: seen for action, seen in found if seen is not None}

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
                problem = repr(error)  # kept as text: with the error it would keep this frame, and itself
                if isinstance(error, ApiError) and error.meta.status in _REFRESH_REFUSED:
                    break
        logger.warning("%s: written, but not refreshed (%s)", ", ".join(sorted(indices)), problem)
        return answers

    async def _refresh(self, indices: set[str]) -> None:
        try:
            await self._elastic.client.indices.refresh(index=sorted(indices))
        except NotFoundError:
            # One of them is gone, with all its documents: refresh what is left.
            await self._elastic.client.indices.refresh(index=sorted(indices), ignore_unavailable=True)


def _documents(answer: Any, wanted: int) -> list[dict[str, Any]]:
    """The documents of an mget answer. Raises NotElasticsearch where they are not all there."""
    documents = answer.get("docs") if isinstance(answer, dict) else None
    if not isinstance(documents, list) or len(documents) != wanted:
        raise NotElasticsearch(f"the answer to a look at {wanted} documents does not have them")
    return documents


def _wanted(action: Action) -> dict[str, Any]:
    wanted = {"_index": action.index, "_id": action.id}
    return wanted | {"routing": action.routing} if action.routing is not None else wanted


def _merge(
    actions: Sequence[Action], plans: Sequence[Line | Answer], items: Iterable[dict[str, Any]]
) -> list[Answer]:
    """One answer an action: what was settled by the look alone, and what the items say of the rest.

    Raises NotElasticsearch where an item is about another document than its action.
    """
    answered = iter(items)
    answers: list[Answer] = []
    for action, planned in zip(actions, plans, strict=True):
        if not isinstance(planned, Line):
            answers.append(planned)
            continue
        item = next(answered)
        if item.get("_id", action.id) != action.id:
            raise NotElasticsearch("the items of a bulk answer are not in the order of its actions")
        answers.append(read_item(action, planned.conditional, item))
    return answers


def _waits(action: Action, answer: Answer) -> bool:
    return action.wait_until_visible and isinstance(answer, Settled) and answer.outcome in _VISIBLE
