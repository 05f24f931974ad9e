"""Ends what a reindex leaves behind on purpose: the record of touched documents, and the index not in use."""

from __future__ import annotations

import json
from typing import NamedTuple

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import keys
from jobs.errors import JobNotFound, PenstockError

from .hold import Hold
from .moving import has_moved, lift_block
from .state import State, read_state
from .swap import leads_to
from .tidying import delete_or_leave
from .touched import Touching


class CannotForget(PenstockError):
    """Raised when a reindex can't be forgotten: it runs, or its index is in use."""


class Forgotten(NamedTuple):
    """Indices that are `deleted`, and those that are `left`, each with Elasticsearch's reason."""

    deleted: list[str]
    left: dict[str, str]


async def forget(redis: Redis, client: AsyncElasticsearch, alias: str, *, delete_index: bool) -> Forgotten:
    """Forget the reindex of an alias. May be repeated.

    One whose job is gone is tidied up as well, except for an index that Elasticsearch refuses to delete.
    Raises JobNotFound, CannotForget.
    """
    state = await read_state(redis, alias)
    if state is None:
        raise JobNotFound(f"no reindex of {alias!r} is known")
    spare = await _spare(redis, client, alias, state)
    if not state.phase.final:
        await _release(redis, client, alias, state)
    forgotten = Forgotten([], {})
    for index, wanted in spare.items():
        if wanted or delete_index:
            if refused := await delete_or_leave(client, index):
                forgotten.left[index] = refused
            else:
                forgotten.deleted.append(index)
    touching = Touching(redis)
    for id in {state.id, *([state.kept.id] if state.kept else [])}:
        await touching.stop(id)
    await redis.delete(keys.reindex_state(alias))
    await redis.srem(keys.REINDEXES, alias)  # type: ignore[misc]  # typed for both of redis-py's clients
    return forgotten


async def _spare(redis: Redis, client: AsyncElasticsearch, alias: str, state: State) -> dict[str, bool]:
    """The indices that nobody needs; True: half built ones, which go in any case."""
    spare: dict[str, bool] = {}
    if not state.phase.final:
        await _check_gone(redis, alias)
        if state.new and not state.rollback and not await has_moved(redis, client, alias, state):
            spare[state.new] = True
    if state.kept:
        if await leads_to(client, alias, state.kept.spare):
            raise CannotForget(f"{alias} leads to {state.kept.spare}: nothing was forgotten or deleted")
        spare.setdefault(state.kept.spare, False)
    return spare


async def _release(redis: Redis, client: AsyncElasticsearch, alias: str, state: State) -> None:
    """Lift what keeps jobs from an index that the reindex has blocked or held: nobody else would."""
    if state.blocked and not await leads_to(client, alias, state.new):
        await lift_block(client, state)
    if state.names:
        await Hold(redis, state.id, state.names).let_go(whoever=True)


async def _check_gone(redis: Redis, alias: str) -> None:
    """Raises CannotForget while the job of the reindex is in its queue."""
    raw = await redis.hmget(keys.reindex_state(alias), ["job", "queue"])  # type: ignore[misc]
    job, queue = (json.loads(value) for value in raw)
    if await redis.zscore(queue, job) is not None:
        raise CannotForget(f"the reindex of {alias} is under way (job {job}): cancel it first")
