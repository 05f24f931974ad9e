"""Worker processes as a user starts them, and a comparison of every document with what was sent."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from embedded import ports
from jobs import IndexQueue, JobHandle, Report
from tests.processes import SECONDS, WorkerProcess, until

# What a client or a connection that nobody closed leaves on standard error.
UNCLOSED = ("Unclosed client session", "Unclosed connector", "unclosed", "was never retrieved")

WORKER = ("-m", "penstock", "worker")


@pytest.fixture
def environment(servers: Any, redis_url: str) -> dict[str, str]:
    """The environment of a worker on this test's database, without settings of the person who tests."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    named = {"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url}
    return plain | named | {"COLUMNS": "220", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Start `python ARGUMENTS` (a worker unless told otherwise); `env` adds to its environment."""
    started: list[WorkerProcess] = []

    def start_one(
        *options: str, command: Sequence[str] = WORKER, env: dict[str, str] | None = None
    ) -> WorkerProcess:
        log = tmp_path / f"process-{len(started)}.log"
        process = WorkerProcess(environment | (env or {}), (*command, *options), log)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()


@pytest.fixture
def free_port() -> int:
    """A free port, low enough for a Redis Cluster, which takes the one 10,000 above too."""
    return ports.free_port()


@pytest.fixture
def reports(queue: IndexQueue) -> Callable[..., Any]:
    """The reports of many jobs, waited for until every one is there."""

    async def read(handles: Sequence[JobHandle], seconds: float = SECONDS) -> list[Report]:
        deadline = time.monotonic() + seconds
        found: dict[str, Report] = {}
        open_handles = list(handles)
        while open_handles:
            answers = zip(open_handles, await queue.reports(open_handles), strict=True)
            found |= {handle.id: report for handle, report in answers if report is not None}
            open_handles = [handle for handle in open_handles if handle.id not in found]
            assert not open_handles or time.monotonic() < deadline, (
                f"{len(open_handles)} jobs without a report"
            )
            await asyncio.sleep(0.1 if open_handles else 0)
        return [found[handle.id] for handle in handles]

    return read


@pytest.fixture
def jobs_done(queue: IndexQueue) -> Callable[..., Any]:
    """Waits until at least so many jobs have ended."""

    async def wait(number: int, seconds: float = SECONDS) -> None:
        async def enough() -> bool:
            return (await queue.overview()).counters.get("jobs", 0) >= number

        await until(enough, seconds, lambda: f"fewer than {number} jobs ended within {seconds} s")

    return wait


@pytest.fixture
def nothing_claimed(redis: Redis) -> Callable[..., Any]:
    """Asserts that no worker is registered and that none holds a job or a document."""

    async def check() -> None:
        assert await redis.keys("arq:in-progress:*") == []
        for name in ("claimed:*", "held:*", "holders", "workers", "worker:*", "aside*"):
            assert await redis.keys(f"penstock:*:{name}") == [], name

    return check


@pytest.fixture
def documents(elasticsearch: AsyncElasticsearch) -> Callable[..., Any]:
    """Every document of an index, id to content."""

    async def read(index: str) -> dict[str, Any]:
        await elasticsearch.indices.refresh(index=index)
        found: dict[str, Any] = {}
        after: list[Any] | None = None
        pit = (await elasticsearch.open_point_in_time(index=index, keep_alive="1m"))["id"]
        while True:
            page = await elasticsearch.search(
                pit={"id": pit, "keep_alive": "1m"}, size=5000, sort=["_shard_doc"], search_after=after
            )
            hits = page["hits"]["hits"]
            if not hits:
                break
            found |= {hit["_id"]: hit["_source"] for hit in hits}
            after = hits[-1]["sort"]
        await elasticsearch.close_point_in_time(id=pit)
        return found

    return read


@pytest.fixture
def left_open() -> Callable[[Iterable[WorkerProcess]], list[str]]:
    """The lines with which processes complain of what they did not close, or of a defect."""

    def find(processes: Iterable[WorkerProcess]) -> list[str]:
        marks = (*UNCLOSED, "Traceback", "CRITICAL")
        lines = [line for process in processes for line in process.output.splitlines()]
        return [line for line in lines if any(mark in line for mark in marks)]

    return find
