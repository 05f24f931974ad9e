"""Keeps this worker's lease, and gives the jobs of dead workers back to the queue.

A heartbeat that fails is tried again at the next beat: several fit into a lease. When Redis says that
the lease was lost, LeaseLost ends the session; when Redis has not answered for a whole lease, others may
have taken the jobs, so the session ends as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from redis.exceptions import RedisError

from .claims import Claims, LeaseLost

logger = logging.getLogger("penstock.lifeline")


class Lifeline:
    """Beats until cancelled. `info` is what the worker tells of itself, as JSON."""

    def __init__(self, claims: Claims, lease_seconds: float, beat_seconds: float, info: Callable[[], bytes]):
        self._claims, self._info = claims, info
        self._lease_seconds, self._beat_seconds = lease_seconds, beat_seconds
        self._last_beat = monotonic()

    async def register(self) -> None:
        """Take the lease; waits for a Redis that does not answer yet."""
        while True:
            try:
                # A lease runs from when Redis has granted it, which is before its answer comes.
                self._last_beat = monotonic()
                await self._claims.beat(self._lease_seconds, self._info(), register=True)
                return
            except (RedisError, OSError) as error:
                logger.warning("Redis does not answer (%s); tried again", error)
                await asyncio.sleep(self._beat_seconds)

    async def run(self) -> None:
        """Renew the lease and look for dead workers. Raises LeaseLost."""
        while True:
            await asyncio.sleep(self._beat_seconds)
            try:
                await self._beat()
                await self._recover()
            except (RedisError, OSError) as error:
                logger.warning("no heartbeat: Redis does not answer (%s)", error)
            if self._left() <= 0:
                raise LeaseLost(self._claims.worker)

    def holds(self) -> bool:
        """Whether the lease lasts still, by this process's own clock (which runs while it is stopped)."""
        return self._left() > 0

    def _left(self) -> float:
        """Seconds until the lease ends, unless it is renewed."""
        return self._lease_seconds - (monotonic() - self._last_beat)

    async def _beat(self) -> None:
        """Renew the lease; the call may repeat itself, but not beyond the lease's end."""
        began = monotonic()
        async with asyncio.timeout(max(0.0, self._left())):
            await self._claims.beat(self._lease_seconds, self._info())
        self._last_beat = began

    async def _recover(self) -> None:
        async with asyncio.timeout(max(0.0, self._left() - self._beat_seconds)):
            for worker, jobs in (await self._claims.reap()).items():
                logger.warning("worker %s is dead: its %d jobs are back in the queue", worker, jobs)
