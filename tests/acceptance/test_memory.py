"""100,000 jobs wait in Redis while Elasticsearch is away: the worker's memory stays where it is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from embedded import ElasticsearchServer, start_elasticsearch
from jobs import IndexDocument, IndexQueue
from tests.processes import SECONDS, until

INDEX = "memory"
JOBS = 100_000
CHUNK = 2_000
MOST_MIB = 200
# About half a KB each, no two alike.
TEXT = "The gate turns a river into an even flow for the turbine behind it. " * 7


@pytest.fixture
async def own_elasticsearch() -> AsyncIterator[ElasticsearchServer]:
    """A server of this test's own: no other test may see it go."""
    server = await asyncio.to_thread(start_elasticsearch, heap_mb=512, show_progress=False)
    yield server
    await asyncio.to_thread(server.close)


def peak_mib(pid: int) -> float:
    """The most memory that a process has had resident at any time."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


async def in_trouble(queue: IndexQueue) -> bool:
    """Whether a worker says that requests of its have failed."""
    return any(worker.told.get("troubles") for worker in (await queue.overview()).workers)


async def enqueue_all(queue: IndexQueue) -> None:
    """In parts, so that the test holds no more than one of them."""
    for first in range(0, JOBS, CHUNK):
        ids = range(first, first + CHUNK)
        await queue.enqueue_many(
            IndexDocument(index=INDEX, id=f"{n}", document={"n": n, "text": f"{n} {TEXT}"}) for n in ids
        )


async def test_a_hundred_thousand_jobs_that_wait_for_elasticsearch_stay_in_redis(
    start: Any, queue: IndexQueue, own_elasticsearch: ElasticsearchServer, jobs_done: Any
) -> None:
    # Given a worker, 100,000 jobs, and no Elasticsearch
    await asyncio.to_thread(own_elasticsearch.stop)
    worker = start(env={"PENSTOCK_ELASTICSEARCH_URL": own_elasticsearch.url})
    await worker.says("works on arq:queue")
    await enqueue_all(queue)
    await until(lambda: in_trouble(queue), SECONDS, lambda: f"no trouble in:\n{worker.output}")
    assert (await queue.overview()).counters.get("jobs", 0) == 0
    waiting = peak_mib(worker.pid)

    # When Elasticsearch is there again
    await asyncio.to_thread(own_elasticsearch.start)
    await jobs_done(JOBS, seconds=180)

    # Then every job has ended well, and the worker never held more of them than it is allowed to
    counters = (await queue.overview()).counters
    async with AsyncElasticsearch(own_elasticsearch.url, request_timeout=60) as elasticsearch:
        await elasticsearch.indices.refresh(index=INDEX)
        found = await elasticsearch.count(index=INDEX)
    assert (counters["jobs"], counters.get("failed", 0), found["count"]) == (JOBS, 0, JOBS)
    peak = peak_mib(worker.pid)
    assert peak <= MOST_MIB, f"{peak:.0f} MiB at the most, {waiting:.0f} MiB while Elasticsearch was away"
    assert await worker.stop() == 0
