"""Takes due jobs from the queue while there is room, and hands them over one by one.

1. Wait for room (see Holding).
2. Claim. A job that came by plain arq has no number yet: it is admitted, and claimed next time round.
3. Where nothing was there, wait for an enqueue's wake-up or for the next poll.

After a claim whose answer was lost, jobs may be claimed that nobody knows of: they are put back first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys
from jobs.envelope import document_keys
from jobs.models import PAYLOADS

from .claims import Claimed, Claims
from .holding import Holding
from .intake import Refused, read_call, read_payload

logger = logging.getLogger("penstock.intake")

# A claim holds Redis for about 30 µs a job: everybody else waits no longer than 15 ms for it.
_MOST_PER_CLAIM = 500


class IntakeLoop:
    """See the module. `take` starts claimed jobs; `most_functions` bounds the long-running ones."""

    def __init__(
        self,
        redis: Redis,
        queue: str,
        claims: Claims,
        holding: Holding,
        take: Callable[[Sequence[Claimed]], Awaitable[None]],
        *,
        poll_seconds: float,
        job_max_bytes: int,
        most_functions: int,
        may_abort: bool,
    ) -> None:
        self._redis, self._queue, self._claims = redis, queue, claims
        self._holding, self._take = holding, take
        self._poll_seconds, self._job_max_bytes = poll_seconds, job_max_bytes
        self._most_functions, self._may_abort = most_functions, may_abort
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

    async def listen(self) -> None:
        """Wake the loop at every enqueue, until cancelled. The poll finds what a lost message misses."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(keys.wake_channel(self._queue))
                    async for _ in channel.listen():
                        self._wake.set()
            except (RedisError, OSError) as error:
                logger.info("not listening for enqueues (%s); the poll goes on", error)
                await asyncio.sleep(1.0)

    async def _round(self) -> int:
        """One claim; the number of due jobs that it moved, those that it set aside included."""
        if self._reconcile:
            forgotten = await self._claims.forgotten(self._holding.jobs)
            await self._claims.release(forgotten)
            self._reconcile = False
        jobs, max_bytes = await self._holding.room()
        functions = self._most_functions - len(self._holding.functions)
        moved, claimed = await self._claims.claim(
            min(jobs, _MOST_PER_CLAIM), max_bytes, functions, may_abort=self._may_abort
        )
        await self._take([job for job in claimed if job.admitted])
        for job in claimed:
            if not job.admitted:
                await self._claims.admit(job.id, self._keys_of(job), reorder=True)
        return moved

    def _keys_of(self, job: Claimed) -> tuple[str, ...]:
        """The documents that a plain job writes; none where it is not readable: it will be refused."""
        try:
            call = read_call(job.raw, self._job_max_bytes)
            if call.name not in PAYLOADS:
                return ()
            return document_keys(read_payload(call.name, call.arguments))
        except Refused:
            return ()

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
