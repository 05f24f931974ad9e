"""Where a benchmark runs: servers, a fresh index and queue a round, worker processes that end with it."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from .processor_time import Stopwatch, listening_process
from .reading import Role

# gc_deletes: as on an index for Penstock, else each round logs a warning.
_ONE_SHARD = {"number_of_shards": 1, "number_of_replicas": 0, "gc_deletes": "1h"}
_STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.01
# Longer than any outage that a benchmark makes.
_STALLED_SECONDS = 300.0
_PR_SET_PDEATHSIG = 1


class NotFit(Exception):
    """Raised when the servers can't be used for a benchmark, or a round did not do what it measures."""


@dataclass
class Place:
    """Servers and the clients on them. Each queue and each index is used once."""

    redis_url: str
    elasticsearch_url: str
    redis: Redis
    elasticsearch: AsyncElasticsearch
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _servers: dict[Role, tuple[int, ...]] = field(init=False)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = {
            Role.ELASTICSEARCH: listening_process(self.elasticsearch_url),
            Role.REDIS: listening_process(self.redis_url),
        }
        self._servers = {role: (pid,) for role, pid in found.items() if pid is not None}

    def stopwatch(self, workers: Sequence[int] = (), producers: Sequence[int] = ()) -> Stopwatch:
        """Starts now. The processes that work, and those beside this one that produce."""
        others = {Role.WORKER: tuple(workers)} if workers else {}
        return Stopwatch(self._servers | others | {Role.PRODUCER: tuple(producers)})

    @asynccontextmanager
    async def queue(self) -> AsyncIterator[str]:
        """The name of a queue that nothing has used. Afterwards Redis is empty, for the next round."""
        try:
            yield f"bench:{next(self._numbers)}"
        finally:
            await self.redis.flushdb(asynchronous=True)

    @asynccontextmanager
    async def index(self) -> AsyncIterator[str]:
        """A fresh index with one shard and no replica, removed afterwards."""
        name = f"penstock-bench-{next(self._numbers)}"
        await self.elasticsearch.indices.create(index=name, settings=_ONE_SHARD)
        await self.elasticsearch.cluster.health(index=name, wait_for_status="green")
        try:
            yield name
        finally:
            await self.elasticsearch.indices.delete(index=name)

    async def expect(self, index: str, documents: int) -> None:
        """Raises NotFit unless the index holds so many: what was not written was not measured."""
        await self.elasticsearch.indices.refresh(index=index)
        found = (await self.elasticsearch.count(index=index))["count"]
        if found != documents:
            raise NotFit(f"expected {documents} documents in {index}, got {found}")

    @asynccontextmanager
    async def worker(self, *command: str, **extra: str) -> AsyncIterator[int]:
        """A worker of this Python (`-m command`); its process id. It ends on the way out."""
        environment = os.environ | {
            "PENSTOCK_REDIS_URL": self.redis_url,
            "PENSTOCK_ELASTICSEARCH_URL": self.elasticsearch_url,
            "PENSTOCK_LOG_LEVEL": "WARNING",
            **extra,
        }
        process = _started([sys.executable, "-m", *command], environment)
        self._running.append(process)
        try:
            yield process.pid
        finally:
            self._running.remove(process)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(_ended, process)

    async def until_left(self, queue: str, jobs: int = 0) -> int:
        """Wait until arq's queue, which holds jobs until they end, holds no more than so many; how many."""
        least, since = math.inf, time.monotonic()
        while (left := int(await self.redis.zcard(queue))) > jobs:
            if left < least:
                least, since = left, time.monotonic()
            if time.monotonic() > since + _STALLED_SECONDS:
                raise NotFit(f"no job of {queue} has ended for {_STALLED_SECONDS:.0f} s; {left} are left")
            await self._look_again()
        return left

    async def until_members(self, key: str, members: int) -> None:
        """Wait until a set has so many members."""
        while await self.redis.scard(key) < members:  # type: ignore[misc]  # typed for both clients
            await self._look_again()

    async def _look_again(self) -> None:
        """What is waited for happens in another process, which may have died instead."""
        for process in self._running:
            if process.poll() is not None:
                raise NotFit(f"the worker {process.args!r} ended with {process.returncode}; see above")
        await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def open_place(redis_url: str, elasticsearch_url: str) -> AsyncIterator[Place]:
    """A place on these servers. Raises NotFit where the Redis database is not empty."""
    async with (
        Redis.from_url(redis_url) as redis,
        AsyncElasticsearch(elasticsearch_url, request_timeout=60) as elasticsearch,
    ):
        place = Place(redis_url, elasticsearch_url, redis, elasticsearch)
        if held := await redis.dbsize():
            raise NotFit(f"expected an empty Redis database (each round flushes it), got {held} keys")
        yield place


def _started(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, preexec_fn=_end_with_the_benchmark)


def _end_with_the_benchmark() -> None:
    """Linux: the kernel ends the worker of a benchmark that was killed; it would wait for its servers."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
