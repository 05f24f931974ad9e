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
from jobs.dead_letter import DeadKind
from settings import Settings

from .backoff import Backoff
from .claims import Claims
from .scripts import script

logger = logging.getLogger("penstock.finish")

_KEEP_FAILURES = 1000
_JOBS_PER_CALL = 1000
_LETTER_WEIGHT = 10


class How(StrEnum):
    """How a job ended, as finish.lua takes it."""

    SUCCESS = "s"
    FAILURE = "f"
    DEAD = "d"
    """It can never succeed as it is: a failure whose payload is kept as a dead letter."""
    UNTOLD = "n"
    """It ended well and its result is not kept."""


class Letter(NamedTuple):
    """What a dead letter says beside the job's payload; `reason` is its report as JSON."""

    kind: DeadKind
    name: str
    reason: bytes
    tries: int


class Ended(NamedTuple):
    """A job that has ended. `result` is what arq stores.

    `keep_ms` None: as long as the settings say of a success or a failure; 0: for ever.
    """

    id: bytes
    document_keys: bytes
    result: bytes
    how: How
    keep_ms: int | None = None
    letter: Letter | None = None

    def arguments(self) -> tuple[Any, ...]:
        """What finish.lua takes for one job."""
        how = self.how.encode() if self.keep_ms is None else f"{self.how}{self.keep_ms}".encode()
        told = b"%b %b\n%b" % (how, self.document_keys, self.result)
        return (self.id, told) if self.letter is None else (self.id, told, *self.letter)


class Bounds(NamedTuple):
    """How much is kept of what has ended, in the order in which finish.lua takes it."""

    success_ms: int
    failure_ms: int
    letters: int
    letters_ms: int
    letters_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """As the settings say."""
        return cls(
            settings.keep_success_seconds * 1000,
            settings.keep_failure_seconds * 1000,
            settings.dead_letters_max,
            settings.keep_dead_letters_seconds * 1000,
            settings.dead_letters_max_bytes,
        )


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
        bounds: Bounds,
    ) -> None:
        self._script = redis.register_script(script("finish"))
        self._queue, self._claims, self._backoff, self._finished = queue, claims, backoff, finished
        self._bounds = bounds
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
                size = _size_of_next(self._ended)
                batch, self._ended = self._ended[:size], self._ended[size:]
                await self._store(batch)
            self._idle.set()

    async def flushed(self) -> None:
        """Wait until everything added so far is stored."""
        await self._idle.wait()

    async def _store(self, batch: list[Ended]) -> None:
        counts, self._counts = self._counts, Counter()
        counts["jobs"] += len(batch)
        arguments = self._arguments(batch, counts)
        for tries in itertools.count(1):
            try:
                lost, dropped = await self._script(keys=self._names(), args=arguments)
                break
            except (RedisError, OSError) as error:
                logger.warning("Redis did not store %d reports (%s); tried again", len(batch), error)
                await asyncio.sleep(self._backoff.delay(tries))
        if lost:
            logger.warning(
                "%d of %d jobs belong to another worker by now; dropped here", len(lost), len(batch)
            )
        if dropped:
            logger.warning("%d old dead letters were dropped: there are as many as may be kept", dropped)
        for ended in batch:
            self._finished(ended.id)

    def _names(self) -> list[str]:
        return [
            self._claims.claimed_set,
            keys.holders(self._queue),
            keys.counters(self._queue),
            keys.failures(self._queue),
            self._queue,
            keys.aside(self._queue),
            keys.awaited(self._queue),
            keys.dead_letters(self._queue),
            keys.suspects(self._queue),
            keys.wake_channel(self._queue),
        ]

    def _arguments(self, batch: list[Ended], counts: Counter[str]) -> list[Any]:
        arguments: list[Any] = [self._claims.worker, _KEEP_FAILURES, *self._bounds, len(counts)]
        for name, number in counts.items():
            arguments += [name, number]
        for ended in batch:
            arguments += ended.arguments()
        return arguments


def _size_of_next(ended: list[Ended]) -> int:
    """Jobs of the next call: a dead letter holds Redis for as long as ten reports."""
    weight = 0
    for number, one in enumerate(ended[:_JOBS_PER_CALL]):
        weight += 1 if one.letter is None else _LETTER_WEIGHT
        if weight > _JOBS_PER_CALL:
            return number
    return _JOBS_PER_CALL
