"""The end of a reindex that failed or was cancelled: what it made is removed, nothing more is recorded.

A rollback has made nothing, and what is recorded for it stays: it may be tried again.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from elasticsearch import ApiError, AsyncElasticsearch

from jobs.reindexes import ReindexPhase
from jobs.report import refusal

from ..answers import read_failure
from ..bulk_request import without_frames
from .hold import Hold
from .moving import has_moved, unblock
from .patience import is_final
from .rollback import rebound
from .room import Room
from .state import State, Store
from .touched import Touching

logger = logging.getLogger("penstock.reindex")

_CANCELLED = "cancelled"


async def tidy_up(room: Room, store: Store, alias: str, state: State) -> None:
    """May be repeated. Where the alias has moved all the same, the reindex goes on behind the swap."""
    # Whatever was saved: an index that the alias leads to is never removed.
    if state.new and await has_moved(room.redis, room.client, alias, state):
        await store.enter(state, ReindexPhase.SWITCH, ending=None)
        return
    await unblock(room.client, store, state)
    if state.names:  # nobody may be left to let go of what an earlier run has held for the swap
        await Hold(room.redis, state.id, state.names).let_go(whoever=True)
    report = state.ending or refusal(_CANCELLED, "the reindex was ended", index=alias)
    if not state.rollback:
        await Touching(room.redis).stop(state.id)
        if state.new and (refused := await delete_or_leave(room.client, state.new)):
            report = replace(report, details={**report.details, "index_left": state.new, "left_why": refused})
    elif state.kept and not state.kept.rolled_back:
        await rebound(room, state.kept, room.settings.reindex_rollback_documents)
    cancelled = report.rejected[0].type == _CANCELLED
    phase = ReindexPhase.CANCELLED if cancelled else ReindexPhase.FAILED
    await store.enter(state, phase, report=report.to_wire(), problem=report.failure())


async def delete_or_leave(client: AsyncElasticsearch, index: str) -> str | None:
    """Delete an index, which may be gone; the reason where Elasticsearch refuses. Raises what passes by."""
    try:
        await client.options(ignore_status=404).indices.delete(index=index)
    except ApiError as error:
        if not is_final(error):
            raise
        _, problem = read_failure(without_frames(error))
        logger.warning("%s is left behind, its deletion is refused: %s", index, problem.reason)
        return f"{problem.type}: {problem.reason}"
    return None
