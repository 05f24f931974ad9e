"""The jobs that this worker holds, on Redis's side: claim, admit, give back, stay alive, take over.

Each method is one script call (see worker/lua for their contracts). Knows no Elasticsearch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from jobs import keys

from .scripts import script

# Jobs looked at in one claim: room for some that are passed over.
_SCAN_FACTOR = 4
# Jobs that run as functions and find no free slot stay at the head: writes behind them must be seen.
_LEAST_SCAN = 2000
# The first line as the scripts read it: what they take for document keys has to be freed again.
_FIRST_LINE = re.compile(rb"P1 [0-9]+([^\n]*)\n")


class LeaseLost(Exception):
    """Raised when this worker is registered no more: its jobs have been given to others."""


class Claimed(NamedTuple):
    """One claimed job: its id as it stands in the queue (any bytes), its place there, what is stored."""

    id: bytes
    score: float
    raw: bytes
    document_keys: bytes
    attempt: int
    """Which try this is, for a job without documents (0 for others); -1 where it was aborted."""

    @property
    def admitted(self) -> bool:
        """Whether it has its number; a job without a payload has nothing to number."""
        return not self.raw or _FIRST_LINE.match(self.raw) is not None

    @property
    def name(self) -> str:
        """The id as text, for logs and for arq."""
        return self.id.decode("utf-8", "backslashreplace")


class Claims:
    """Ownership of jobs of one queue by one worker.

    `redis` repeats commands after a cut connection; `redis_once` never does, since a claim whose answer
    was lost has taken jobs that nobody knows of (`forgotten` finds them).
    """

    def __init__(self, redis: Redis, redis_once: Redis, queue: str, worker: str) -> None:
        self._redis, self._queue, self.worker = redis, queue, worker
        self._claim = redis_once.register_script(script("claim"))
        self._admit = redis.register_script(script("admit"))
        self._release = redis.register_script(script("release"))
        self._beat = redis.register_script(script("beat"))
        self._reap = redis.register_script(script("reap"))
        self.claimed_set = keys.claimed_prefix(queue) + worker
        self.held_hash = keys.held_prefix(queue) + worker

    async def claim(
        self, jobs: int, max_bytes: int, functions: int, *, may_abort: bool = False
    ) -> tuple[int, list[Claimed]]:
        """Up to `jobs` due jobs in order, and how many moved, those set aside included. Raises LeaseLost.

        See claim.lua for what is not admitted.
        """
        names = [
            self._queue,
            self.claimed_set,
            keys.holders(self._queue),
            self.held_hash,
            keys.workers(self._queue),
            keys.aside(self._queue),
        ]
        scan = max(_LEAST_SCAN, jobs * _SCAN_FACTOR)
        arguments: list[Any] = [self.worker, jobs, max_bytes, functions, scan, "1" if may_abort else ""]
        answer = await self._claim(keys=names, args=arguments)
        if answer == -1:
            raise LeaseLost(self.worker)
        moved, *flat = answer
        found = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
        return moved, [
            Claimed(id, float(score), raw, _header_keys(raw), attempt) for id, score, raw, attempt in found
        ]

    async def admit(self, job_id: bytes, document_keys: Sequence[str], *, reorder: bool) -> int | None:
        """Give a job its number; returns it, or None where the job is gone."""
        spaced = "".join(f" {key}" for key in document_keys)
        arguments: list[Any] = [job_id, max(1, len(document_keys)), spaced, "1" if reorder else ""]
        number = await self._admit(keys=[self._queue, keys.LAST_NUMBER], args=arguments)
        return None if number is None else int(number)

    async def release(self, jobs: Iterable[tuple[bytes, bytes, float | None]]) -> int:
        """Put jobs (id, document keys, new score or None) back into the queue; how many there were."""
        arguments: list[Any] = [keys.wake_channel(self._queue)]
        for id, documents, score in jobs:
            arguments += [id, documents, "" if score is None else f"{score:.3f}"]
        if len(arguments) == 1:
            return 0
        names = [
            self._queue,
            self.claimed_set,
            keys.holders(self._queue),
            self.held_hash,
            keys.aside(self._queue),
        ]
        return int(await self._release(keys=names, args=arguments))

    async def forgotten(self, known: Iterable[bytes]) -> list[tuple[bytes, bytes, None]]:
        """Jobs that this worker owns in Redis but does not know of, as `release` takes them."""
        owned = set(await self._redis.zrange(self.claimed_set, 0, -1))
        unknown = sorted(owned.difference(known))
        names = [keys.JOB_PREFIX.encode() + id for id in unknown]
        payloads = await self._redis.mget(names) if names else []
        return [(id, _header_keys(raw or b""), None) for id, raw in zip(unknown, payloads, strict=True)]

    async def beat(self, lease_seconds: float, info: bytes, *, register: bool = False) -> None:
        """Renew the lease (`register`: take it). Raises LeaseLost."""
        names = [keys.workers(self._queue), keys.life_prefix(self._queue) + self.worker]
        arguments: list[Any] = [self.worker, int(lease_seconds * 1000), info, "1" if register else ""]
        if not await self._beat(keys=names, args=arguments):
            raise LeaseLost(self.worker)

    async def reap(self, leaving: str = "") -> dict[str, int]:
        """Give the jobs of dead workers (and of `leaving`) back; worker id to number of jobs."""
        names = [
            self._queue,
            keys.workers(self._queue),
            keys.holders(self._queue),
            keys.aside(self._queue),
        ]
        arguments = [
            keys.life_prefix(self._queue),
            keys.claimed_prefix(self._queue),
            keys.held_prefix(self._queue),
            keys.wake_channel(self._queue),
            leaving,
        ]
        flat = await self._reap(keys=names, args=arguments)
        return {worker.decode(): int(jobs) for worker, jobs in zip(flat[::2], flat[1::2], strict=True)}


def _header_keys(raw: bytes) -> bytes:
    """The document keys of a stored job as they stand in its first line; none where that is damaged."""
    line = _FIRST_LINE.match(raw)
    return b"" if line is None else line[1].strip()
