"""What can be seen of a queue from outside: how much waits, who works, what failed lately. Reads only."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from . import keys
from .handle import read_report
from .report import Report


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One worker by its id; `alive` is False between its death and its recovery. `told`: its last words."""

    id: str
    alive: bool
    claimed: int
    told: Mapping[str, Any]


# What an index, or a source, refuses whose jobs of one way are parked.
REFUSED = {
    "index": "writes",
    "alias": "writes that require an alias",
    "update": "updates",
    "delete": "deletes",
    "source": "loads",
}


def in_words(way: str, name: str) -> tuple[str, str]:
    """Who takes no jobs of one way, and what it takes none of. `name` is an index, or a source."""
    return (f"source {name}" if way == "source" else name), REFUSED[way]


@dataclass(frozen=True, slots=True)
class ParkedIndex:
    """An index that takes no jobs of one way (see REFUSED), and how many of them wait until it does.

    Of the way `source` it is a source instead, whose loads wait for a worker that has it.
    """

    name: str
    way: str
    jobs: int
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at a queue.

    `waiting` jobs are due (some of them behind others on a document), `deferred` ones are not yet. `suspects`
    were held by workers that died, and have not ended since. `held` ones wait for a reindex that moves their
    index at this moment, and are among the waiting.
    """

    queue: str
    waiting: int
    deferred: int
    workers: tuple[WorkerSeen, ...]
    counters: Mapping[str, int]
    failures: tuple[tuple[str, Report], ...]
    parked: tuple[ParkedIndex, ...] = ()
    suspects: int = 0
    held: int = 0
    dead_letters: int = 0


async def look(redis: Redis, queue: str, failures: int = 10) -> Overview:
    """The queue as it stands now, with the latest `failures` failed jobs whose reports are still kept."""
    now_ms = time.time() * 1000
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcount(queue, "-inf", now_ms)
        pipe.zcount(queue, f"({now_ms}", f"({keys.CLAIMED_SCORE}")
        pipe.zcount(queue, keys.ASIDE_SCORE, "+inf")
        pipe.smembers(keys.workers(queue))
        pipe.hgetall(keys.counters(queue))
        pipe.lrange(keys.failures(queue), 0, failures - 1)
        pipe.hgetall(keys.parked_reasons(queue))
        pipe.hlen(keys.suspects(queue))
        pipe.zcard(keys.dead_letters(queue))
        pipe.smembers(keys.held(queue))
        (
            due,
            deferred,
            aside,
            workers,
            counters,
            failed,
            parked,
            suspects,
            letters,
            held,
        ) = await pipe.execute()
    seen = [await _worker(redis, queue, worker.decode()) for worker in sorted(workers)]
    counted = {name.decode(): int(number) for name, number in sorted(counters.items())}
    return Overview(
        queue=queue,
        waiting=due + aside,
        deferred=deferred,
        workers=tuple(seen),
        counters=counted,
        failures=await _failures(redis, failed),
        parked=tuple([await _parked(redis, queue, *one) for one in sorted(parked.items())]),
        suspects=suspects,
        held=await _held(redis, queue, held),
        dead_letters=letters,
    )


async def _parked(redis: Redis, queue: str, target: bytes, why: bytes) -> ParkedIndex:
    told = json.loads(why)
    way, _, name = target.decode().partition(":")
    jobs = await redis.zcard(keys.parked_prefix(queue) + target.decode())
    return ParkedIndex(name, way, jobs, told["type"], told["reason"])


async def _held(redis: Redis, queue: str, index_keys: set[bytes]) -> int:
    return sum([await redis.zcard(f"{keys.held(queue)}:{key.decode()}") for key in index_keys])


async def _worker(redis: Redis, queue: str, worker: str) -> WorkerSeen:
    told = await redis.get(keys.life_prefix(queue) + worker)
    claimed = await redis.zcard(keys.claimed_prefix(queue) + worker)
    return WorkerSeen(worker, told is not None, claimed, json.loads(told) if told else {})


async def _failures(redis: Redis, ids: list[bytes]) -> tuple[tuple[str, Report], ...]:
    stored = await redis.mget([keys.RESULT_PREFIX.encode() + id for id in ids]) if ids else []
    kept = zip(ids, stored, strict=True)
    return tuple((id.decode("utf-8", "backslashreplace"), read_report(raw)) for id, raw in kept if raw)
