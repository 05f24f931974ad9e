"""The dead letters of a queue: listed, shown, retried, purged. `IndexQueue.dead_letters` makes one.

    letters = queue.dead_letters
    for letter in await letters.list(limit=20):
        print(letter.id, letter.report.failure())
    await letters.retry_all(type="document_parsing_exception")

A retry enqueues a new job that names the old one (`retry_of`), under a new number, and removes the dead
letter in the same step. It may be repeated: Redis remembers, for as long as an idempotency key, which job a
letter became. (A new id made from the old one would do without that memory, and would lose the retry of a
job whose id had died, and been retried, before.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Unpack

from redis.asyncio import Redis

from . import keys
from .connection import reaching
from .dead_letter import DeadLetter, DeadLetterContents, Matching, Which, id_bytes
from .dead_letter_reader import LETTERS_PER_CALL, DeadLetterReader, latest_ms
from .dead_letter_retrier import Made, Retrier, RetryLimits, not_dead
from .errors import PenstockError, UnreadableJob
from .handle import JobHandle
from .retrying import read_old
from .scripts import registered

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Retries:
    """What became of a retry, by the id of the dead letter.

    `jobs`: the new jobs; a `Duplicate` names the one that an earlier retry had made. `refused`: why a letter
    stays as it is (InvalidJob, UnreadableJob), or that there is none (JobNotFound).
    """

    jobs: Mapping[str, JobHandle] = field(default_factory=dict)
    refused: Mapping[str, PenstockError] = field(default_factory=dict)


class DeadLetters:
    """See the module. Every method raises QueueUnavailable."""

    def __init__(self, redis: Redis, queue: str, limits: RetryLimits, made: Made) -> None:
        self._redis, self._queue, self._limits, self._made = redis, queue, limits, made
        self._key = keys.dead_letters(queue)
        self._reader = DeadLetterReader(redis, queue)
        self._purge = registered(redis, "purge_dead")

    async def count(self, **which: Unpack[Which]) -> int:
        """How many dead letters there are that match."""
        matching = Matching(**which)
        if matching == Matching():
            return await self._reader.sweep()
        return sum([len(letters) async for letters in self._reader.matching(matching)])

    async def list(
        self, limit: int = 100, before: float | None = None, **which: Unpack[Which]
    ) -> tuple[DeadLetter, ...]:
        """The latest dead letters that match, newest first, without their payloads.

        `before`: only what died before that moment (ms since 1970); the `died_ms` of the last letter of one
        page leads to the next.
        """
        await self._reader.sweep()
        matching = Matching(**which)
        newest = min((ms for ms in (before, latest_ms(matching)) if ms is not None), default=None)
        found: tuple[DeadLetter, ...] = ()
        while len(found) < limit and (page := await self._reader.newest(newest)):
            found += tuple(filter(matching.takes, await self._reader.read([id for id, _ in page])))
            newest = page[-1][1]
        return found[: max(0, limit)]

    async def show(self, id: str) -> DeadLetterContents:
        """One dead letter with all that was stored for the job. Raises JobNotFound."""
        for letter in await self._reader.read([id_bytes(id)]):
            (raw,) = await self._reader.raws([letter])
            if raw is not None:
                return _contents(letter, raw)
        raise not_dead(id)

    async def retry(self, ids: Iterable[str], *, keep_number: bool = False) -> Retries:
        """Enqueue dead letters anew, in the order of their deaths; of a bulk the rejected actions alone.

        A new number makes a job the newest write of its documents. With `keep_number` it keeps its place in
        the order: newer full writes and deletes win over it, and it creates no document.
        """
        wanted = tuple(dict.fromkeys(ids))
        letters: dict[str, DeadLetter] = {}
        for part in _parts(wanted):
            letters |= {
                letter.id: letter for letter in await self._reader.read([id_bytes(id) for id in part])
            }
        retrier = self._retrier(keep_number)
        await retrier.take(letters.values())
        await retrier.look_up([id for id in wanted if id not in letters])
        return Retries(retrier.jobs, retrier.refused)

    async def retry_all(
        self, *, keep_number: bool = False, progress: Progress | None = None, **which: Unpack[Which]
    ) -> Retries:
        """Retry every dead letter that matches; not those that die meanwhile.

        `progress` is called with the number of letters handled so far.
        """
        retrier = self._retrier(keep_number)
        async for letters in self._reader.matching(Matching(**which)):
            await retrier.take(letters)
            if progress:
                progress(len(retrier.jobs) + len(retrier.refused))
        return Retries(retrier.jobs, retrier.refused)

    async def purge(
        self, ids: Iterable[str] | None = None, *, progress: Progress | None = None, **which: Unpack[Which]
    ) -> int:
        """Remove dead letters for good, by id or by what matches; how many there were.

        Everything is ``older_than=timedelta(0)``. Raises ValueError where neither is given, or both.
        """
        matching = Matching(**which)
        if (ids is None) == (matching == Matching()):
            raise ValueError("purge: expected either ids or what to match (index, type, kind, older_than)")
        purged = 0
        if ids is not None:
            return sum([await self._remove(part) for part in _parts(tuple(ids))])
        async for letters in self._reader.matching(matching):
            purged += await self._remove([letter.id for letter in letters])
            if progress:
                progress(purged)
        return purged

    def _retrier(self, keep_number: bool) -> Retrier:
        return Retrier(self._redis, self._queue, self._limits, self._made, keep_number=keep_number)

    async def _remove(self, ids: Iterable[str]) -> int:
        with reaching("remove the dead letters"):
            return int(await self._purge(keys=[self._key], args=[id_bytes(id) for id in ids]))


def _contents(letter: DeadLetter, raw: bytes) -> DeadLetterContents:
    try:
        old = read_old(raw)
    except UnreadableJob:
        return DeadLetterContents(letter, raw)
    return DeadLetterContents(letter, raw, old.number, old.arguments, old.positional)


def _parts(ids: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    return (ids[first : first + LETTERS_PER_CALL] for first in range(0, len(ids), LETTERS_PER_CALL))
