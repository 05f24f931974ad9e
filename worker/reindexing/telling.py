"""Tells, twice a second and beside the work, how far a reindex is: rate, time remaining, touched ids left."""

from __future__ import annotations

import asyncio
from time import monotonic

from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs.reindexes import ReindexPhase

from .progress import Rate, remaining_seconds
from .state import CancelAsked, NotOwner, Store
from .touched import TouchedSet

_EVERY_SECONDS = 0.5


async def keep_telling(store: Store, redis: Redis) -> None:
    """Until cancelled, or until another worker has the reindex. What it can't tell now it tells later."""
    rate = Rate()
    while True:
        try:
            await _tell(store, redis, rate)
        except NotOwner:
            return
        except (CancelAsked, RedisError, OSError):
            pass  # the steps find that out by themselves
        await asyncio.sleep(_EVERY_SECONDS)


async def _tell(store: Store, redis: Redis, rate: Rate) -> None:
    state = await store.look()
    if state.phase.final:
        return
    touched = state.kept.id if state.rollback and state.kept else state.id
    left = await TouchedSet(redis, touched).count()
    if state.phase is not ReindexPhase.COPY:
        await store.save(left=left)
        return
    rate.saw(monotonic(), state.read)
    remaining = remaining_seconds(state.total, state.read, rate.per_second)
    await store.save(left=left, rate=round(rate.per_second, 1), remaining=remaining)
