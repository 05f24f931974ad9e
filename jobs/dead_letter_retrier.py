"""Turns dead letters into new jobs: one of these for each call of `DeadLetters.retry` and `retry_all`.

1. Letters go in the order of their deaths, so that the jobs of one document keep theirs.
2. What each was is read, checked and encoded anew (jobs/retrying.py); what can't be is refused and stays.
3. One script call enqueues the new jobs and removes their letters (jobs/retry_dead.lua).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from . import keys
from .connection import reaching
from .dead_letter import DeadLetter, id_bytes
from .dead_letter_reader import LETTERS_PER_CALL, DeadLetterReader
from .errors import JobNotFound, PenstockError, QueueFull
from .handle import JobHandle
from .retrying import NewJob, new_job
from .scripts import mark, registered

_BYTES_PER_CALL = 1024 * 1024


# Makes a handle of an id; whether it is of a job enqueued now, and no other one's.
Made = Callable[[str, bool], JobHandle]


class RetryLimits(NamedTuple):
    """The queue's own limits: `remember_ms` is for how long it is known which job a letter became."""

    max_job_bytes: int
    remember_ms: int
    refuse_above: float


class Retrier:
    """See the module. `jobs` and `refused` tell what became of each letter, by its id."""

    def __init__(
        self, redis: Redis, queue: str, limits: RetryLimits, made: Made, *, keep_number: bool
    ) -> None:
        self._redis, self._queue = redis, queue
        self._limits, self._made, self._keep_number = limits, made, keep_number
        self._reader = DeadLetterReader(redis, queue)
        self._script = registered(redis, "retry_dead")
        self.jobs: dict[str, JobHandle] = {}
        self.refused: dict[str, PenstockError] = {}

    async def take(self, letters: Iterable[DeadLetter]) -> None:
        """Retry these letters. Raises QueueUnavailable; what has been retried by then stays so."""
        for part in _parts(sorted(letters, key=lambda letter: letter.died_ms)):
            ready: list[tuple[DeadLetter, NewJob]] = []
            gone: list[str] = []
            for letter, raw in zip(part, await self._reader.raws(part), strict=True):
                if raw is None:  # somebody else was quicker
                    gone.append(letter.id)
                elif job := self._new_job(letter, raw):
                    ready.append((letter, job))
            await self._enqueue(ready)
            await self.look_up(gone)

    async def look_up(self, ids: Sequence[str]) -> None:
        """Note the jobs that an earlier retry has made of these letters, which are gone."""
        prefix = keys.retried_prefix(self._queue).encode()
        for first in range(0, len(ids), LETTERS_PER_CALL):
            part = ids[first : first + LETTERS_PER_CALL]
            with reaching("tell what was retried"):
                answers = await self._redis.mget([prefix + id_bytes(id) for id in part])
            for id, answer in zip(part, answers, strict=True):
                self._note(id, answer)

    def _new_job(self, letter: DeadLetter, raw: bytes) -> NewJob | None:
        """None where it can't be retried, which is noted."""
        try:
            return new_job(
                letter,
                raw,
                enqueued_ms=int(time.time() * 1000),
                max_bytes=self._limits.max_job_bytes,
                keep_number=self._keep_number,
            )
        except PenstockError as error:
            self.refused[letter.id] = error
            return None

    async def _enqueue(self, ready: Sequence[tuple[DeadLetter, NewJob]]) -> None:
        """One script call. A repeat after a cut connection is safe: the new ids are the same."""
        if not ready:
            return
        arguments: list[Any] = [
            keys.retried_prefix(self._queue),
            self._limits.remember_ms,
            keys.wake_channel(self._queue),
            mark(self._limits.refuse_above),
        ]
        new_ids = [os.urandom(16).hex() for _ in ready]
        for new_id, (letter, job) in zip(new_ids, ready, strict=True):
            arguments += [id_bytes(letter.id), f"{letter.died_ms:.3f}", new_id]
            arguments += [job.actions, job.keys, "" if job.number is None else job.number, job.body]
        names = [self._queue, keys.LAST_NUMBER, keys.dead_letters(self._queue)]
        with reaching("take the retried jobs"):
            answers = await self._script(keys=names, args=arguments)
        if isinstance(answers, bytes):
            raise QueueFull.above(self._limits.refuse_above, answers)
        for new_id, answer, (letter, _) in zip(new_ids, answers, ready, strict=True):
            self._note(letter.id, answer, new_id)

    def _note(self, id: str, answer: bytes | None, new_id: str | None = None) -> None:
        if not answer:
            self.refused[id] = not_dead(id)
        else:
            self.jobs[id] = self._made(answer.decode(), answer.decode() == new_id)


def not_dead(id: str) -> JobNotFound:
    """The error for an id that has no dead letter."""
    return JobNotFound(f"no dead letter {id}: never buried here, purged, or expired")


def _parts(letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """Letters in parts that one call takes: by number and by the bytes of their payloads."""
    part: list[DeadLetter] = []
    size = 0
    for letter in letters:
        if part and (len(part) >= LETTERS_PER_CALL or size + letter.raw_bytes > _BYTES_PER_CALL):
            yield part
            part, size = [], 0
        part.append(letter)
        size += letter.raw_bytes
    if part:
        yield part
