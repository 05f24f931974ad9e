"""Tells, twice a second and beside the work, how far a reindex is: rate, time remaining, touched ids left.

It also hears of a wish to cancel, whatever the work is waiting for.
"""

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


async def keep_telling(store: Store, redis: Redis, cancel_asked: asyncio.Event) -> None:
    """Until cancelled, or until another worker has the reindex. What it can't tell now it tells later.

    `cancel_asked` is set where somebody wants the reindex to stop.
    """
    rate = Rate()
    while True:
        try:
            await _tell(store, redis, rate)
        except NotOwner:
            return
        except CancelAsked:
            cancel_asked.set()
        except (RedisError, OSError):
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
