"""Stores reports and lets go of jobs, many in one round trip.

1. Ended jobs gather while a call is under way; the next call takes all of them.
2. A call that fails is repeated for as long as it takes: a job is done only when Redis knows it.
3. What this worker does not own any more is dropped: whoever owns it now reports it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys

from .backoff import Backoff
from .claims import Claims
from .scripts import script

logger = logging.getLogger("penstock.finish")

_KEEP_FAILURES = 1000
_JOBS_PER_CALL = 1000


class How(StrEnum):
    """How a job ended, as finish.lua takes it."""

    SUCCESS = "s"
    FAILURE = "f"
    UNTOLD = "n"
    """It ended well and its result is not kept."""


class Ended(NamedTuple):
    """A job that has ended. `result` is what arq stores.

    `keep_ms` None: as long as the settings say of a success or a failure; 0: for ever.
    """

    id: bytes
    document_keys: bytes
    result: bytes
    how: How
    keep_ms: int | None = None

    def arguments(self) -> tuple[bytes, bytes, bytes, str]:
        """What finish.lua takes for one job."""
        how = self.how if self.keep_ms is None else f"{self.how}{self.keep_ms}"
        return self.id, self.document_keys, self.result, how


class Finisher:
    """One per worker; `finished` is called with each job's id when Redis has let go of it."""

    def __init__(
        self,
        redis: Redis,
        queue: str,
        claims: Claims,
        backoff: Backoff,
        finished: Callable[[bytes], None],
        *,
        keep_success_ms: int,
        keep_failure_ms: int,
    ) -> None:
        self._script = redis.register_script(script("finish"))
        self._queue, self._claims, self._backoff, self._finished = queue, claims, backoff, finished
        self._lives = (keep_success_ms, keep_failure_ms)
        self._ended: list[Ended] = []
        self._counts: Counter[str] = Counter()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, ended: Ended) -> None:
        """Have one job's end stored soon."""
        self._ended.append(ended)
        self._idle.clear()
        self._wanted.set()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter in Redis with the next call."""
        self._counts[name] += number

    async def run(self) -> None:
        """Store what has ended, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._ended:
                batch, self._ended = self._ended[:_JOBS_PER_CALL], self._ended[_JOBS_PER_CALL:]
                await self._store(batch)
            self._idle.set()

    async def flushed(self) -> None:
        """Wait until everything added so far is stored."""
        await self._idle.wait()

    async def _store(self, batch: list[Ended]) -> None:
        counts, self._counts = self._counts, Counter()
        arguments = self._arguments(batch, counts)
        for tries in itertools.count(1):
            try:
                lost = await self._script(keys=self._names(), args=arguments)
                break
            except (RedisError, OSError) as error:
                logger.warning("Redis did not store %d reports (%s); tried again", len(batch), error)
                await asyncio.sleep(self._backoff.delay(tries))
        if lost:
            logger.warning(
                "%d of %d jobs belong to another worker by now; dropped here", len(lost), len(batch)
            )
        for ended in batch:
            self._finished(ended.id)

    def _names(self) -> list[str]:
        return [
            self._claims.claimed_set,
            keys.holders(self._queue),
            self._claims.held_hash,
            keys.counters(self._queue),
            keys.failures(self._queue),
            self._queue,
            keys.aside(self._queue),
        ]

    def _arguments(self, batch: list[Ended], counts: Counter[str]) -> list[Any]:
        arguments: list[Any] = [_KEEP_FAILURES, *self._lives, len(counts)]
        for name, number in counts.items():
            arguments += [name, number]
        for ended in batch:
            arguments += ended.arguments()
        return arguments
