"""Takes due jobs from the queue while there is room, and hands them over one by one.

1. Wait for a cluster that can be written to (see Gate), and for room (see Holding).
2. Claim, and hand over. What wrote by plain arq has no number yet: it is admitted, and claimed next time.
3. Jobs of dead workers are run apart from others (see Quarantine).
4. Where nothing was there, wait for an enqueue's wake-up or for the next poll.

After a claim whose answer was lost, jobs may be claimed that nobody knows of: they are put back first. One
that is still on its way then takes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence, Set
from time import monotonic

from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys

from .claims import Claimed, Claims
from .holding import Holding
from .quarantine import Quarantine

logger = logging.getLogger("penstock.intake")

# A claim holds Redis for about 30 µs a job: everybody else waits no longer than 15 ms for it.
_MOST_PER_CLAIM = 500
# Seconds that a read of the wake-up channel takes at the longest: below the connection's own time limit,
# which would cut it.
_LISTEN_SECONDS = 2.0


class IntakeLoop:
    """See the module. `take` starts claimed jobs, and gives those that have to be admitted, with their
    documents; `function_room` says how many functions may be claimed; `calm`: see Quarantine;
    `held` is told of indices that are held from now on, by their keys.
    """

    def __init__(
        self,
        redis: Redis,
        queue: str,
        claims: Claims,
        holding: Holding,
        take: Callable[[Sequence[Claimed]], Awaitable[Sequence[tuple[bytes, Sequence[str]]]]],
        *,
        poll_seconds: float,
        function_room: Callable[[], int],
        may_abort: bool,
        accepting: asyncio.Event,
        calm: Callable[[], Awaitable[None]],
        held: Callable[[Set[str]], None],
    ) -> None:
        self._redis, self._queue, self._claims = redis, queue, claims
        self._holding, self._take = holding, take
        self._poll_seconds = poll_seconds
        self._function_room, self._may_abort = function_room, may_abort
        self._accepting, self._held = accepting, held
        self._quarantine = Quarantine(claims, take, calm, self._room_now, monotonic)
        self._wake = asyncio.Event()
        self._reconcile = False

    async def run(self, *, burst: bool) -> None:
        """Until cancelled or, in a burst, until the queue is empty and nothing is held. Raises LeaseLost."""
        while True:
            self._wake.clear()
            try:
                found = await self._round()
            except (RedisError, OSError) as error:
                logger.warning("no jobs can be claimed: Redis does not answer (%s)", error)
                self._reconcile, found = True, 0
            if found:
                continue
            if burst and await self._nothing_left():
                return
            await self._wait_for_work()

    def wake(self) -> None:
        """Look at the queue now: there is room, or work, that there was not."""
        self._wake.set()

    async def listen(self) -> None:
        """Wake the loop at every enqueue, until cancelled. The poll finds what a lost message misses."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(keys.wake_channel(self._queue))
                    while True:
                        if message := await channel.get_message(timeout=_LISTEN_SECONDS):
                            self._wake.set()
                            self._held(keys.held_in(message["data"]))
            except (RedisError, OSError) as error:
                logger.info("not listening for enqueues (%s); the poll goes on", error)
                await asyncio.sleep(1.0)

    async def _round(self) -> int:
        """One claim; the number of due jobs that it moved, those that it set aside included."""
        if self._reconcile:
            forgotten = await self._claims.forgotten(self._holding.jobs)
            await self._claims.release(forgotten)
            self._reconcile = False
        await self._accepting.wait()
        jobs, max_bytes = await self._holding.room()
        found = await self._claims.claim(
            min(jobs, _MOST_PER_CLAIM), max_bytes, self._function_room(), may_abort=self._may_abort
        )
        await self._claims.admit(await self._take(found.jobs), reorder=True)
        await self._quarantine.run(found.suspects)
        return found.moved

    def _room_now(self) -> tuple[int, int] | None:
        return self._holding.room_now() if self._accepting.is_set() else None

    async def _nothing_left(self) -> bool:
        if self._holding.jobs:
            return False
        try:
            return not await self._redis.zcard(self._queue)
        except (RedisError, OSError):
            return False

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
        except TimeoutError:
            return
