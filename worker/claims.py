"""The jobs that this worker holds, on Redis's side: claim, admit, give back, stay alive, take over.

Each method is one script call (see worker/lua for their contracts). Knows no Elasticsearch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

from redis.asyncio import Redis

from jobs import keys

from .scripts import script

# Jobs looked at in one claim: room for some that are passed over.
_SCAN_FACTOR = 4
_LEAST_SCAN = 100
# The first line as the scripts read it: what they take for document keys has to be freed again.
_FIRST_LINE = re.compile(rb"P1 [0-9]+([^\n]*)\n")


# What stands in place of a try where a job must not be run.
ABORTED = -1
CRASHER = -2


class LeaseLost(Exception):
    """Raised when this worker is registered no more: its jobs have been given to others."""


class Claimed(NamedTuple):
    """One claimed job: its id as it stands in the queue (any bytes), its place there, what is stored."""

    id: bytes
    score: float
    raw: bytes
    document_keys: bytes
    attempt: int
    """Which try this is, for a job without documents; for others 0, or 1 where a worker may have begun with
    it before. See ABORTED and CRASHER."""

    @property
    def admitted(self) -> bool:
        """Whether it has its number; a job without a payload has nothing to number."""
        return not self.raw or _FIRST_LINE.match(self.raw) is not None

    @property
    def is_owned(self) -> bool:
        """Whether it is claimed; one without a number may have been handed out only to be admitted."""
        return self.attempt != 0 or self.admitted

    @property
    def name(self) -> str:
        """The id as text, for logs and for arq."""
        return self.id.decode("utf-8", "backslashreplace")


class Found(NamedTuple):
    """What a claim brought: how many jobs moved, those that were set aside included; the jobs that are this
    worker's now (or are to be admitted); how many suspects wait."""

    moved: int
    jobs: list[Claimed]
    suspects: int


class Claims:
    """Ownership of jobs of one queue by one worker.

    `redis` repeats commands after a cut connection; `redis_once` never does, since a claim whose answer
    was lost has taken jobs that nobody knows of (`forgotten` finds them). Each claim has a number, so that
    one that arrives after a later one takes nothing: only one `Claims` may have the id of a worker.
    """

    def __init__(self, redis: Redis, redis_once: Redis, queue: str, worker: str) -> None:
        self._redis, self._queue, self.worker = redis, queue, worker
        self._numbers = count(1)
        self._claim = redis_once.register_script(script("claim"))
        self._claim_suspects = redis_once.register_script(script("claim_suspects"))
        self._owned = redis.register_script(script("owned"))
        self._acquit = redis.register_script(script("acquit"))
        self._admit = redis.register_script(script("admit"))
        self._defer = redis.register_script(script("defer"))
        self._release = redis.register_script(script("release"))
        self._park = redis.register_script(script("park"))
        self._unpark = redis.register_script(script("unpark"))
        self._beat = redis.register_script(script("beat"))
        self._reap = redis.register_script(script("reap"))
        self.claimed_set = keys.claimed_prefix(queue) + worker
        self.names = (
            queue,
            self.claimed_set,
            keys.holders(queue),
            keys.workers(queue),
            keys.aside(queue),
        )
        """The first keys of every script that deals with documents: see documents.lua."""
        self._suspicion = (keys.accused(queue), keys.suspects(queue))
        self._run_apart = keys.apart_prefix(queue) + worker
        self._claim_numbers = keys.claim_numbers(queue)
        self._parked = (keys.parked_targets(queue), keys.parked_reasons(queue))
        self._held = (keys.HELD, keys.held(queue))
        self._wake_channel = keys.wake_channel(queue)

    async def claim(self, jobs: int, max_bytes: int, functions: int, *, may_abort: bool = False) -> Found:
        """Up to `jobs` due jobs in order. Raises LeaseLost. See claim.lua for what is not admitted."""
        names = [*self.names, keys.slotless(self._queue), *self._suspicion, self._run_apart, *self._held]
        names.append(self._claim_numbers)
        scan = max(_LEAST_SCAN, jobs * _SCAN_FACTOR)
        arguments: list[Any] = [self.worker, jobs, max_bytes, functions, scan, "1" if may_abort else ""]
        arguments.append(next(self._numbers))
        return self._found(await self._claim(keys=names, args=arguments))

    async def claim_suspects(self, jobs: int, max_bytes: int) -> Found:
        """Some jobs whose workers died, up to `jobs`, to be run apart from all others. Raises LeaseLost.

        Until the next claim a death of this worker is theirs, whatever else it holds. The first job that goes
        beyond `max_bytes` is the last.
        """
        names = [*self.names, *self._suspicion, self._run_apart, keys.HELD, self._claim_numbers]
        arguments: list[Any] = [self.worker, jobs, max_bytes, next(self._numbers)]
        return self._found(await self._claim_suspects(keys=names, args=arguments))

    async def acquit(self, jobs: Sequence[bytes]) -> None:
        """Say that a worker which held these jobs lives, though its lease had ended."""
        if jobs:
            await self._acquit(keys=[*self.names, *self._suspicion], args=list(jobs))

    def _found(self, answer: Any) -> Found:
        if answer == -1:
            raise LeaseLost(self.worker)
        moved, suspects, *flat = answer
        found = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
        jobs = [
            Claimed(id, float(score), raw, _header_keys(raw), attempt) for id, score, raw, attempt in found
        ]
        return Found(moved, jobs, suspects)

    async def admit(self, jobs: Sequence[tuple[bytes, Sequence[str]]], *, reorder: bool) -> list[int | None]:
        """Give jobs (id, document keys) their numbers, in order; None for one that is gone.

        `reorder`: each takes its place in the queue by its number.
        """
        if not jobs:
            return []
        arguments: list[Any] = ["1" if reorder else ""]
        for id, documents in jobs:
            arguments += [id, max(1, len(documents)), " ".join(documents)]
        names = [self._queue, keys.LAST_NUMBER]
        numbers = await self._admit(keys=names, args=arguments)
        return [None if number is None else int(number) for number in numbers]

    async def defer(self, id: bytes, score: float) -> None:
        """Have a job that this worker can't admit come again at `score`, in ms since 1970."""
        await self._defer(keys=[self._queue], args=[id, f"{score:.3f}"])

    async def release(
        self, jobs: Iterable[tuple[bytes, bytes, float | None]], *, untried: bool = False
    ) -> int:
        """Put jobs (id, document keys, new score or None) back into the queue; how many there were.

        The try that was begun does not count where there is no new score, or where they are `untried`.
        """
        arguments: list[Any] = [self.worker, self._wake_channel, "1" if untried else ""]
        for id, documents, score in jobs:
            arguments += [id, documents, "" if score is None else f"{score:.3f}"]
        if len(arguments) == 3:
            return 0
        return int(await self._release(keys=self.names, args=arguments))

    async def park(self, target: str, why: bytes, jobs: Iterable[Claimed]) -> int:
        """Set jobs aside until their target (see Action) takes writes; how many. `why`: JSON, for people."""
        parked = keys.parked_prefix(self._queue) + target
        names = [*self.names, *self._parked, parked, self._wake_channel]
        arguments: list[Any] = [self.worker, target, why]
        for job in jobs:
            arguments += [job.id, job.document_keys]
        return int(await self._park(keys=names, args=arguments))

    async def unpark(self, target: str, jobs: int) -> int:
        """Bring parked jobs of one target back, up to so many; 0 where none is left."""
        return int(await self._unparked(target, jobs, 0.0))

    async def probe_parked(self, seconds: float) -> set[str]:
        """Bring one job back of each target not probed for so many seconds; all targets that have more."""
        return {target.decode() for target in await self._unparked("", 1, seconds)}

    async def _unparked(self, target: str, jobs: int, seconds: float) -> Any:
        prefix = keys.parked_prefix(self._queue)
        arguments: list[Any] = [prefix, self._wake_channel, target, jobs, int(seconds * 1000)]
        return await self._unpark(keys=[*self.names, *self._parked], args=arguments)

    async def forgotten(self, known: Iterable[bytes]) -> list[tuple[bytes, bytes, None]]:
        """Jobs that this worker owns in Redis but does not know of, as `release` takes them.

        A claim that was sent before this and has not arrived yet takes nothing any more.
        """
        names = [self.claimed_set, self._claim_numbers, keys.workers(self._queue)]
        owned = set(await self._owned(keys=names, args=[self.worker, next(self._numbers)]))
        unknown = sorted(owned.difference(known))
        stored = [keys.JOB_PREFIX.encode() + id for id in unknown]
        payloads = await self._redis.mget(stored) if stored else []
        return [(id, _header_keys(raw or b""), None) for id, raw in zip(unknown, payloads, strict=True)]

    async def beat(self, lease_seconds: float, info: bytes, *, register: bool = False) -> None:
        """Renew the lease (`register`: take it). Raises LeaseLost."""
        names = [keys.workers(self._queue), keys.life_prefix(self._queue) + self.worker, keys.QUEUES]
        lease_ms = int(lease_seconds * 1000)
        arguments: list[Any] = [self.worker, lease_ms, info, "1" if register else "", self._queue]
        if not await self._beat(keys=names, args=arguments):
            raise LeaseLost(self.worker)

    async def reap(self, leaving: str = "") -> dict[str, int]:
        """Give the jobs of dead workers (and of `leaving`) back; worker id to number of jobs."""
        arguments = [
            keys.life_prefix(self._queue),
            keys.claimed_prefix(self._queue),
            keys.apart_prefix(self._queue),
            self._wake_channel,
            leaving,
        ]
        names = [*self.names, *self._suspicion, self._claim_numbers]
        flat = await self._reap(keys=names, args=arguments)
        return {worker.decode(): int(jobs) for worker, jobs in zip(flat[::2], flat[1::2], strict=True)}


def _header_keys(raw: bytes) -> bytes:
    """The document keys of a stored job as they stand in its first line; none where that is damaged."""
    line = _FIRST_LINE.match(raw)
    return b"" if line is None else line[1].strip()
