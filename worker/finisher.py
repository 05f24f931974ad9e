"""Stores reports and lets go of jobs, many in one round trip.

1. Ended jobs gather while a call is under way; the next call takes all of them.
2. A call that fails is repeated for as long as it takes: a job is done only when Redis knows it.
3. What this worker does not own any more is dropped: whoever owns it now reports it.
4. While a reindex runs, ended jobs leave the documents behind that they may have changed, in the same step.
   Who wants to know of which names is learned from Redis when it has changed.
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
from .touches import Gathered, Touches, Wanted

logger = logging.getLogger("penstock.finish")

_KEEP_FAILURES = 1000
_JOBS_PER_CALL = 1000
_LETTER_WEIGHT = 10
_DOCUMENTS_PER_WEIGHT = 8


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

    `keep_ms` None: as long as the settings say of a success or a failure; 0: for ever. `touches`: the
    documents that it may have changed.
    """

    id: bytes
    document_keys: bytes
    result: bytes
    how: How
    keep_ms: int | None = None
    letter: Letter | None = None
    touches: Touches = ()

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
        self._touching = Wanted()
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
                while isinstance(answer := await self._script(keys=self._names(), args=arguments), bytes):
                    self._touching = Wanted.read(answer)
                    arguments = self._arguments(batch, counts)
                break
            except (RedisError, OSError) as error:
                logger.warning("Redis did not store %d reports (%s); tried again", len(batch), error)
                await asyncio.sleep(self._backoff.delay(tries))
        lost, dropped = answer
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
            *self._claims.names,
            keys.counters(self._queue),
            keys.failures(self._queue),
            keys.awaited(self._queue),
            keys.dead_letters(self._queue),
            keys.suspects(self._queue),
            keys.wake_channel(self._queue),
            keys.TOUCHING,
            keys.TOUCHED,
        ]

    def _arguments(self, batch: list[Ended], counts: Counter[str]) -> list[Any]:
        touched = self._touched(batch)
        arguments: list[Any] = [self._claims.worker, _KEEP_FAILURES, *self._bounds]
        arguments += [self._touching.generation, len(touched), len(counts), *touched]
        for name, number in counts.items():
            arguments += [name, number]
        for ended in batch:
            arguments += ended.arguments()
        return arguments

    def _touched(self, batch: list[Ended]) -> list[Any]:
        if not self._touching.reindexes:
            return []
        gathered = Gathered(self._touching)
        for ended in batch:
            gathered.add(ended.id, ended.document_keys, ended.touches)
        return gathered.arguments()


def _size_of_next(ended: list[Ended]) -> int:
    """Jobs of the next call, at least one: a dead letter holds Redis for as long as ten reports, and so do
    eighty documents of a bulk.
    """
    weight = 0
    for number, one in enumerate(ended[:_JOBS_PER_CALL]):
        weight += 1 if one.letter is None else _LETTER_WEIGHT
        if b" " in one.document_keys:
            weight += one.document_keys.count(b" ") // _DOCUMENTS_PER_WEIGHT
        if number and weight > _JOBS_PER_CALL:
            return number
    return _JOBS_PER_CALL
