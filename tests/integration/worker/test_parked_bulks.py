"""An index that takes no writes, and bulks on it: they are parked whole, and take no room in the worker."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, JobHandle, Outcome, UpdateDocument
from settings import load
from tests.integration.worker.conftest import running
from tests.integration.worker.test_parked import SECONDS, nothing_is_parked, open_again
from tests.processes import until
from worker.process import PenstockWorker

JOBS, SHARED = 16, 4
ROOM = 4


@pytest.fixture
async def small_worker(redis_url: str, servers: Any) -> AsyncIterator[PenstockWorker]:
    """One that holds fewer jobs than come in this test."""
    settings = load(
        {
            "PENSTOCK_REDIS_URL": redis_url,
            "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url,
            "PENSTOCK_MAX_CLAIMED_JOBS": f"{ROOM}",
            "PENSTOCK_BATCH_MAX_ACTIONS": f"{ROOM}",
        }
    )
    async with running(PenstockWorker(settings)) as worker:
        yield worker


@pytest.fixture
async def closed(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """An index with a write block."""
    await elasticsearch.indices.create(index=prefix, settings={"index.blocks.write": True})
    return prefix


@pytest.mark.usefixtures("small_worker")
async def test_they_wait_and_others_go_on_and_they_end_in_order(
    queue: IndexQueue,
    redis: Redis,
    elasticsearch: AsyncElasticsearch,
    closed: str,
    report: Any,
    source: Any,
) -> None:
    def bulk(number: int) -> list[Any]:
        fields = {"last": number, f"f{number}": number}
        shared = UpdateDocument(index=closed, id=f"shared-{number % SHARED}", doc=fields, doc_as_upsert=True)
        return [shared, IndexDocument(index=closed, id=f"{number}", document={"n": number})]

    # Given more bulks on a blocked index than the worker has room for; all but a probe or two are parked,
    # or wait behind one that is
    waiting = [await queue.bulk(index=closed, actions=bulk(number)) for number in range(JOBS)]

    async def are_aside() -> bool:
        return await redis.zcard("penstock:arq:queue:aside") >= JOBS - 2

    await until(are_aside, SECONDS, lambda: "they are not parked")

    # When others come, then these end
    others: list[JobHandle] = [
        await queue.index(index=f"{closed}-2", id=f"{number}", document={}) for number in range(JOBS)
    ]
    assert {(await report(handle)).outcome for handle in others} == {Outcome.CREATED}
    assert (await queue.overview()).parked

    # And the bulks when the index is open, in their order, each with its own report
    await open_again(elasticsearch, closed)
    reports = [await report(handle) for handle in waiting]
    assert [found.counts for found in reports] == [
        *[{Outcome.CREATED: 2}] * SHARED,
        *[{Outcome.UPDATED: 1, Outcome.CREATED: 1}] * (JOBS - SHARED),
    ]
    for shared in range(SHARED):
        fields = {f"f{number}": number for number in range(shared, JOBS, SHARED)}
        assert await source(closed, f"shared-{shared}") == {"last": JOBS - SHARED + shared} | fields
    assert await source(closed, f"{JOBS - 1}") == {"n": JOBS - 1}
    await nothing_is_parked(redis)
