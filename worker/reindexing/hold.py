"""Holds the jobs on some index names for a moment, in all queues, and waits until nobody writes to them.

1. The hold is taken. From then on no worker claims a job on these names: it is put aside, and keeps its place
   (worker/lua/claim.lua). All other jobs go on. What sleeps in a worker before another try goes back.
2. `quiet` waits for what live workers have claimed.
3. The end of the block lets go and wakes all workers, whose claims bring the jobs back in order.

The hold is a lease: it ends by itself, by Redis's clock, when its holder dies or does not renew it. It
belongs to one run of a reindex: another run may take it over, and from then on the former one can neither
renew it nor let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys
from jobs.envelope import index_key

from ..scripts import script

logger = logging.getLogger("penstock.reindex")

# Longer than any hold should last, so that it need not be renewed in a hurry; and no long time for what waits
# where the holder has died.
_LEASE_SECONDS = 3.0
_LOOK_EVERY_SECONDS = 0.01
_LOOKS_PER_MESSAGE = 10
_HOLDERS_PER_LOOK = 1000


class HoldLost(Exception):
    """Raised when a hold has ended by itself, or another reindex has one of its names."""


class Hold:
    """See the module; `names` are all that resolve to the index, at least one. To be entered once.

    `in_doubt`: what the hold protects may still happen, with nobody here to see it. It is not let go of at
    the end of the block then, but ends by itself, or by another run that finds out.
    """

    def __init__(
        self, redis: Redis, reindex_id: str, names: Iterable[str], now: Callable[[], float] = monotonic
    ) -> None:
        self._redis, self._reindex_id, self._now = redis, reindex_id, now
        self._index_keys = sorted({index_key(name) for name in names})
        self._hold = redis.register_script(script("hold"))
        self._let_go = redis.register_script(script("let_go"))
        self._began: float | None = None
        self._ended: float | None = None
        self._owner = uuid4().hex
        self.in_doubt = False

    @property
    def seconds(self) -> float:
        """How long it has lasted so far, or did last; never less than it was."""
        if self._began is None:
            return 0.0
        return (self._now() if self._ended is None else self._ended) - self._began

    async def __aenter__(self) -> Self:
        """Take the hold. Raises HoldLost where another one has it, RedisError where Redis does not answer."""
        self._began = self._now()
        await self._take("take")
        try:
            await self._tell_workers(keys.held_message(self._index_keys))
        except BaseException:
            await self.let_go()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.in_doubt:
            logger.warning("a hold is left to end by itself, or by another worker that goes on")
            self._ended = self._now()
            return
        await self.let_go()

    async def renew(self, seconds: float = _LEASE_SECONDS) -> None:
        """Have it last for so long from now on. Raises HoldLost where it has ended, or is another run's."""
        await self._take("renew", seconds)

    async def inherit(self, seconds: float) -> bool:
        """Go on with what an earlier run still holds, for so long from now on; whether it does."""
        try:
            await self._take("inherit", seconds)
        except HoldLost:
            return False
        return True

    async def quiet(self, seconds: float) -> bool:
        """Wait until no live worker has a claimed job on the names, up to so many seconds; whether it is so.

        A worker that has died counts until its jobs have been given to others.
        """
        deadline = self._now() + seconds
        looks = 0
        while await self._somebody_writes():
            if self._now() >= deadline:
                return False
            looks += 1
            if looks % _LOOKS_PER_MESSAGE == 0:  # what was under way at the first message may sleep by now
                await self._tell_workers(keys.held_message(self._index_keys))
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return True

    async def _take(self, way: str, seconds: float = _LEASE_SECONDS) -> None:
        arguments: list[str | int] = [
            self._reindex_id,
            self._owner,
            round(seconds * 1000),
            way,
            *self._index_keys,
        ]
        if not await self._hold(keys=[keys.HELD], args=arguments):
            raise HoldLost(f"reindex {self._reindex_id}: the hold has ended, or another one has the index")

    async def let_go(self, *, whoever: bool = False) -> None:
        """End it; `whoever`: also where another run of this reindex has taken it."""
        arguments: list[str] = [self._reindex_id, "" if whoever else self._owner, *self._index_keys]
        try:
            await self._let_go(keys=[keys.HELD], args=arguments)
            await self._tell_workers("1")
        except (RedisError, OSError) as failed:
            logger.warning("a hold ends by itself: Redis does not answer (%s)", failed)
        finally:
            self._ended = self._now()

    async def _queues(self) -> list[str]:
        return [queue.decode() for queue in await self._redis.smembers(keys.QUEUES)]  # type: ignore[misc]

    async def _tell_workers(self, message: str) -> None:
        for queue in await self._queues():
            await self._redis.publish(keys.wake_channel(queue), message)

    async def _somebody_writes(self) -> bool:
        for queue in await self._queues():
            workers = await self._redis.smembers(keys.workers(queue))  # type: ignore[misc]
            for key in self._index_keys:
                if await self._is_written(queue, key, workers):
                    return True
        return False

    async def _is_written(self, queue: str, key: str, workers: set[bytes]) -> bool:
        """Whether one of these workers holds a document of an index.

        Nothing on it is claimed any more, so a document that is held throughout is found by a scan in parts.
        """
        scan = self._redis.hscan_iter(keys.holders(queue), match=f"{key}*", count=_HOLDERS_PER_LOOK)
        async for _, holder in scan:
            if holder.partition(b" ")[2] in workers:
                return True
        return False
