"""Keeps Penstock's workers and arq's own apart: on one queue each would run jobs that the other is running.

1. A worker that starts leaves a mark with its kind and a time at which the mark ends, and in the same step
   looks for workers of the other kind: of two that start at a time at least one sees the other.
2. Penstock's workers are registered from then on; arq's are not, so theirs renew the mark while they live.

Knows no settings and no arq. What becomes of a worker that is not alone is `start_checks`' to say.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress
from enum import StrEnum
from typing import assert_never

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from jobs import keys

logger = logging.getLogger("penstock.sharing")

_RENEWALS_PER_LEASE = 5
_REMOVE_SECONDS = 1.0
# Marks have ends of their own; this one is for the last of them, which nobody comes to drop.
_KEEP_SECONDS = 86_400


class Kind(StrEnum):
    """Whose worker it is."""

    PENSTOCK = "penstock"
    STOCK = "stock"

    @property
    def other(self) -> Kind:
        """The kind with which it must not share a queue."""
        match self:
            case Kind.PENSTOCK:
                return Kind.STOCK
            case Kind.STOCK:
                return Kind.PENSTOCK
            case _:
                assert_never(self)


class Mark:
    """The mark of this process on a queue, which ends `seconds` after it was left or renewed."""

    def __init__(self, redis: Redis, queue: str, kind: Kind, seconds: float) -> None:
        self._redis, self._queue, self.kind = redis, queue, kind
        self._milliseconds = int(seconds * 1000)
        self.name = f"{socket.gethostname()}-{os.getpid()}"

    async def left(self) -> list[str]:
        """Leave or renew the mark; the names of the live workers of the other kind. Raises RedisError."""
        try:
            marks = await self._leave(await self._now())
        except OutOfMemoryError:
            # A full Redis has to be drained, and takes no marks.
            marks = await self._redis.zrangebyscore(keys.marks(self._queue), await self._now(), "+inf")
        kinds_and_names = [mark.decode().partition(" ") for mark in marks]
        others = [name for kind, _, name in kinds_and_names if kind == self.kind.other]
        return others if self.kind is Kind.PENSTOCK else [*others, *await self._registered()]

    async def keep(self) -> None:
        """Renew the mark until cancelled."""
        while True:
            await asyncio.sleep(self._milliseconds / 1000 / _RENEWALS_PER_LEASE)
            try:
                await self._leave(await self._now())
            except (RedisError, OSError) as error:
                logger.warning("the mark of this worker can't be renewed: Redis does not answer (%s)", error)

    async def remove(self) -> None:
        """Take the mark away, if Redis answers soon; else it ends by itself."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(_REMOVE_SECONDS):
                await self._redis.zrem(keys.marks(self._queue), self._member)

    @property
    def _member(self) -> str:
        return f"{self.kind} {self.name}"

    async def _now(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def _leave(self, now: int) -> list[bytes]:
        """One step: drop what has ended, leave the mark, and read all that are there."""
        marks = keys.marks(self._queue)
        async with self._redis.pipeline(transaction=True) as step:
            step.zremrangebyscore(marks, "-inf", now)
            step.zadd(marks, {self._member: now + self._milliseconds})
            step.expire(marks, _KEEP_SECONDS)
            step.zrange(marks, 0, -1)
            *_, names = await step.execute()
        return list(names)

    async def _registered(self) -> list[str]:
        """Penstock's workers whose lease has not ended."""
        # Typed for both of redis-py's clients.
        members = await self._redis.smembers(keys.workers(self._queue))  # type: ignore[misc]
        names = [name.decode() for name in members]
        lives = [await self._redis.exists(keys.life_prefix(self._queue) + name) for name in names]
        return [name for name, alive in zip(names, lives, strict=True) if alive]
