"""Where a benchmark runs: servers, a fresh index and queue a round, worker processes that end with it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs.keys import counters

_ONE_SHARD = {"number_of_shards": 1, "number_of_replicas": 0}
_STOP_SECONDS = 30.0


@dataclass
class Place:
    """Servers and the clients on them. Each queue and each index is used once."""

    redis_url: str
    elasticsearch_url: str
    redis: Redis
    elasticsearch: AsyncElasticsearch
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def queue(self) -> str:
        """A queue that nothing has used."""
        return f"bench:{next(self._numbers)}"

    @asynccontextmanager
    async def index(self) -> AsyncIterator[str]:
        """A fresh index with one shard and no replica, removed afterwards."""
        name = f"bench-{next(self._numbers)}"
        await self.elasticsearch.indices.create(index=name, settings=_ONE_SHARD)
        await self.elasticsearch.cluster.health(index=name, wait_for_status="green")
        try:
            yield name
        finally:
            await self.elasticsearch.indices.delete(index=name)

    @asynccontextmanager
    async def workers(self, command: Sequence[str], count: int = 1, **extra: str) -> AsyncIterator[list[int]]:
        """Worker processes of this Python; their process ids. They end on the way out."""
        environment = os.environ | {
            "PENSTOCK_REDIS_URL": self.redis_url,
            "PENSTOCK_ELASTICSEARCH_URL": self.elasticsearch_url,
            "PENSTOCK_LOG_LEVEL": "WARNING",
            **extra,
        }
        running = [_started([sys.executable, "-m", *command], environment) for _ in range(count)]
        try:
            yield [process.pid for process in running]
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                await asyncio.to_thread(_ended, process)

    async def count(self, queue: str) -> int:
        """Jobs of a queue that have ended."""
        (jobs,) = await self.redis.hmget(counters(queue), ["jobs"])  # type: ignore[misc]
        return int(jobs or 0)

    async def until_ended(self, queue: str, jobs: int) -> None:
        """Wait until so many jobs of a queue have ended."""
        while await self.count(queue) < jobs:  # noqa: ASYNC110 - the end is in another process
            await asyncio.sleep(0.01)

    async def until_gone(self, queue: str) -> None:
        """Wait until arq's queue is empty: it holds jobs until they have ended."""
        while await self.redis.zcard(queue):  # noqa: ASYNC110 - the end is in another process
            await asyncio.sleep(0.01)


def _started(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
