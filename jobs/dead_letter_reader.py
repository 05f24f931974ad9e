"""Reads dead letters from Redis: page by page, with or without what was stored for the jobs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from redis.asyncio import Redis

from . import keys
from .connection import reaching
from .dead_letter import SUMMARY_FIELDS, DeadLetter, Matching, id_bytes, read_letter
from .scripts import registered

# What one call reads or removes: some ms of Redis's time at this mark.
LETTERS_PER_CALL = 500

Page = Sequence[tuple[bytes, float]]


class DeadLetterReader:
    """Reads one queue's dead letters. Every method raises QueueUnavailable."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis = redis
        self._key = keys.dead_letters(queue)
        self._prefix = f"{self._key}:".encode()
        self._sweep = registered(redis, "sweep_dead")

    async def sweep(self) -> int:
        """Forget what has expired; how many letters are left."""
        with reaching("tell of the dead letters"):
            while True:
                swept, left = await self._sweep(keys=[self._key], args=[LETTERS_PER_CALL])
                if swept < LETTERS_PER_CALL:
                    return int(left)

    async def newest(self, before: float | None) -> Page:
        """Ids and times of death, newest first, of what died before that moment (ms since 1970)."""
        with reaching("list the dead letters"):
            page: Page = await self._redis.zrevrangebyscore(
                self._key,
                "+inf" if before is None else f"({before:.3f}",
                "-inf",
                start=0,
                num=LETTERS_PER_CALL,
                withscores=True,
            )
        return page

    async def matching(self, matching: Matching) -> AsyncIterator[tuple[DeadLetter, ...]]:
        """The letters that match, oldest first, in parts; what dies meanwhile is left out."""
        await self.sweep()
        newest = await self.newest(latest_ms(matching))
        after = "-inf"
        while newest:
            with reaching("list the dead letters"):
                page: Page = await self._redis.zrangebyscore(
                    self._key, after, newest[0][1], start=0, num=LETTERS_PER_CALL, withscores=True
                )
            if not page:
                return
            yield tuple(filter(matching.takes, await self.read([id for id, _ in page])))
            after = f"({page[-1][1]:.3f}"

    async def read(self, ids: Sequence[bytes]) -> tuple[DeadLetter, ...]:
        """The letters of these ids, those that are there. Raises UnreadableJob."""
        if not ids:
            return ()
        with reaching("tell of the dead letters"):
            async with self._redis.pipeline(transaction=False) as pipe:
                for id in ids:
                    # As commands: redis-py's methods are typed for keys in text, and an id is any bytes.
                    pipe.execute_command("HMGET", self._prefix + id, *SUMMARY_FIELDS)
                    pipe.execute_command("HSTRLEN", self._prefix + id, "raw")
                answers = await pipe.execute()
        found = zip(ids, answers[::2], answers[1::2], strict=True)
        letters = (read_letter(id, fields, raw_bytes) for id, fields, raw_bytes in found)
        return tuple(letter for letter in letters if letter is not None)

    async def raws(self, letters: Sequence[DeadLetter]) -> Sequence[bytes | None]:
        """What was stored for each of these jobs; None for a letter that is gone."""
        with reaching("read the dead letters"):
            async with self._redis.pipeline(transaction=False) as pipe:
                for letter in letters:
                    pipe.execute_command("HGET", self._prefix + id_bytes(letter.id), "raw")
                found: Sequence[bytes | None] = await pipe.execute()
        return found


def latest_ms(matching: Matching) -> float | None:
    """Before which moment what matches has died (ms since 1970); None where its age does not matter."""
    if matching.older_than is None:
        return None
    return time.time() * 1000 - matching.older_than.total_seconds() * 1000
