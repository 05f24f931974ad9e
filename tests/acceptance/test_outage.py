"""Elasticsearch stopped for 20 s in the middle of the work: nothing is lost and no job fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from embedded import ElasticsearchServer, start_elasticsearch
from jobs import DeleteDocument, IndexDocument, IndexQueue, Outcome, Payload, UpdateDocument

OUTAGE_SECONDS = 20.0
JOBS = 6000
INDEX = "outage"


@pytest.fixture
async def own_elasticsearch() -> AsyncIterator[ElasticsearchServer]:
    """A server of this test's own: no other test may see it go."""
    server = await asyncio.to_thread(start_elasticsearch, heap_mb=512, show_progress=False)
    yield server
    await asyncio.to_thread(server.close)


@pytest.fixture
async def elasticsearch(own_elasticsearch: ElasticsearchServer) -> AsyncIterator[AsyncElasticsearch]:
    """In place of the suite's: the other fixtures look where this one looks."""
    async with AsyncElasticsearch(own_elasticsearch.url, request_timeout=60) as client:
        yield client


def three_of(n: int) -> list[Payload]:
    """A write, an update that adds to it, and for every tenth document a delete."""
    place: dict[str, Any] = {"index": INDEX, "id": f"{n}"}
    written = IndexDocument(document={"n": n}, **place)
    updated = UpdateDocument(doc={"updated": n}, **place)
    return [written, updated, DeleteDocument(**place) if n % 10 == 0 else written]


async def test_elasticsearch_is_stopped_for_twenty_seconds_in_the_middle(
    start: Any,
    queue: IndexQueue,
    own_elasticsearch: ElasticsearchServer,
    jobs_done: Any,
    reports: Any,
    documents: Any,
    left_open: Any,
) -> None:
    payloads = [payload for n in range(JOBS // 3) for payload in three_of(n)[: 2 + (n % 10 == 0)]]
    worker = start(env={"PENSTOCK_ELASTICSEARCH_URL": own_elasticsearch.url})
    await worker.says("works on arq:queue")
    first = await queue.enqueue_many(payloads[: len(payloads) // 2])
    await jobs_done(200)

    await asyncio.to_thread(own_elasticsearch.stop)
    back = asyncio.get_running_loop().time() + OUTAGE_SECONDS
    second = await queue.enqueue_many(payloads[len(payloads) // 2 :])
    await worker.says("Elasticsearch is away (connection: ")
    done = [report for report in await queue.reports(first + second) if report is not None]
    assert 200 <= len(done) < len(payloads)
    await asyncio.sleep(back - asyncio.get_running_loop().time())  # the outage itself
    assert not worker.ended
    await asyncio.to_thread(own_elasticsearch.start)
    await worker.says("Elasticsearch is back after ")

    found = await reports(first + second)

    assert [report.failure() for report in found if report.outcome is Outcome.REJECTED] == []
    assert await documents(INDEX) == {f"{n}": {"n": n, "updated": n} for n in range(JOBS // 3) if n % 10 != 0}
    assert max(report.attempts for report in found) > 1
    assert await worker.stop() == 0
    assert left_open([worker]) == []
