"""A retry with its old number: newer writes win over it, and it brings back nothing that was deleted.

Under both kinds of worker: Penstock's, and arq's own with Penstock's jobs as functions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from arq.worker import Worker, create_worker
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import (
    BulkWrite,
    DeadKind,
    DeleteDocument,
    IndexDocument,
    IndexQueue,
    Outcome,
    Payload,
    UpdateDocument,
    keys,
)
from jobs.envelope import document_keys, encode_job
from settings import Settings
from tests.dead_letters import bury, rejected
from worker.cancelling import end_tasks
from worker.stock import worker_settings

# arq closes its pool in the way that redis-py 5 advises against.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")

VERSIONS_PER_NUMBER = 1024
HOUR = 3_600_000_000
OLD = time.time_ns() // 1000 - HOUR
"""The number of a job of an hour ago."""


@pytest.fixture(params=["penstock", "arq"], autouse=True)
async def running_worker(
    request: pytest.FixtureRequest, settings: Settings, start_worker: Any
) -> AsyncIterator[None]:
    """A worker of each kind."""
    if request.param == "penstock":
        await start_worker()
        yield
        return
    worker: Worker = create_worker(worker_settings(settings), handle_signals=False, poll_delay=0.05)
    work = asyncio.create_task(worker.async_run())
    yield
    await end_tasks([work])
    await worker.close()


@pytest.fixture
def retry(redis: Redis, queue: IndexQueue) -> Any:
    """A job of an hour ago that was rejected, or of a bulk the actions at `positions`, retried by now."""

    async def retried(payload: Payload, *positions: int) -> Any:
        raw = f"P1 {OLD} {' '.join(document_keys(payload))}\n".encode()
        await redis.set(keys.JOB_PREFIX + "old", raw + encode_job(payload, enqueued_ms=OLD // 1000))
        await bury(redis, "old", rejected("type", *positions), kind=DeadKind.REJECTED, name=payload.job)
        retries = await queue.dead_letters.retry(["old"], keep_number=True)
        assert retries.refused == {}
        return retries.jobs["old"]

    return retried


@pytest.fixture
def written(elasticsearch: AsyncElasticsearch, prefix: str) -> Any:
    """Put a document there whose version is that of a number, as Penstock would have."""

    async def write(id: str, number: int, **document: Any) -> None:
        version = number * VERSIONS_PER_NUMBER
        await elasticsearch.index(
            index=prefix, id=id, document=document, version=version, version_type="external_gte"
        )

    return write


@pytest.fixture
def forgotten(elasticsearch: AsyncElasticsearch, prefix: str, written: Any) -> Any:
    """A document that a newer number has deleted, and whose version Elasticsearch has forgotten."""

    async def forget(id: str) -> None:
        await written(id, OLD - 1, n=0)
        version = (OLD + 1) * VERSIONS_PER_NUMBER
        await elasticsearch.delete(index=prefix, id=id, version=version, version_type="external_gte")
        await elasticsearch.indices.flush(index=prefix)
        await elasticsearch.indices.close(index=prefix)  # which forgets the versions of what was deleted
        await elasticsearch.indices.open(index=prefix)
        await elasticsearch.cluster.health(index=prefix, wait_for_status="yellow")

    return forget


async def test_an_unchanged_document_is_written_under_the_old_number(
    prefix: str, retry: Any, written: Any, report: Any, source: Any
) -> None:
    await written("1", OLD - 1, n=0)

    found = await report(await retry(IndexDocument(index=prefix, id="1", document={"n": 1})))

    assert (found.retry_of, found.outcome) == ("old", Outcome.UPDATED)
    assert found.version == OLD * VERSIONS_PER_NUMBER
    assert found.waited_ms < HOUR / 1000  # counted from the retry
    assert await source(prefix, "1") == {"n": 1}


async def test_a_newer_write_wins(prefix: str, retry: Any, written: Any, report: Any, source: Any) -> None:
    await written("1", OLD + 1, newer=True)

    found = await report(await retry(IndexDocument(index=prefix, id="1", document={"n": 1})))

    assert (found.retry_of, found.outcome) == ("old", Outcome.SUPERSEDED)
    assert await source(prefix, "1") == {"newer": True}


async def test_a_newer_write_wins_over_an_update_and_a_delete(
    prefix: str, retry: Any, written: Any, report: Any, source: Any
) -> None:
    await written("1", OLD + 2, newer=True)
    bulk = BulkWrite(
        index=prefix,
        actions=(UpdateDocument(index=prefix, id="1", doc={"n": 1}), DeleteDocument(index=prefix, id="1")),
    )

    assert (await report(await retry(bulk, 0, 1))).counts == {"superseded": 2}
    assert await source(prefix, "1") == {"newer": True}


async def test_an_update_and_a_delete_are_applied_to_what_is_unchanged(
    prefix: str, retry: Any, written: Any, report: Any, source: Any
) -> None:
    for id in ("1", "2"):
        await written(id, OLD - 1, n=0)
    actions = (
        UpdateDocument(index=prefix, id="1", doc={"m": 1}, doc_as_upsert=True),
        DeleteDocument(index=prefix, id="2"),
    )

    assert (await report(await retry(BulkWrite(index=prefix, actions=actions), 0, 1))).counts == {
        "updated": 1,
        "deleted": 1,
    }
    assert await source(prefix, "1") == {"n": 0, "m": 1}
    assert await source(prefix, "2") is None


@pytest.mark.parametrize("kind", ["index", "update", "upsert"])
async def test_a_deleted_document_that_elasticsearch_has_forgotten_is_not_brought_back(
    prefix: str, retry: Any, forgotten: Any, failure: Any, source: Any, kind: str
) -> None:
    await forgotten("1")
    payload: Payload = {
        "index": IndexDocument(index=prefix, id="1", document={"n": 1}),
        "update": UpdateDocument(index=prefix, id="1", doc={"n": 1}, doc_as_upsert=True),
        "upsert": UpdateDocument(index=prefix, id="1", doc={"n": 1}, upsert={"n": 1}),
    }[kind]

    found = await failure(await retry(payload))

    assert (found.retry_of, found.rejected[0].type) == ("old", "document_missing_exception")
    assert await source(prefix, "1") is None


async def test_without_the_look_it_would_have_been_brought_back(
    prefix: str, forgotten: Any, written: Any, source: Any
) -> None:
    """That the tests above test something: this is what an old version alone does."""
    await forgotten("1")

    await written("1", OLD, n=1)

    assert await source(prefix, "1") == {"n": 1}


async def test_the_actions_of_a_bulk_keep_their_places_among_those_that_were_applied(
    prefix: str, retry: Any, written: Any, report: Any, source: Any
) -> None:
    """The first and the last were rejected. Applied were the second, after the first, and the third."""
    await written("a", OLD + 1, by=1)
    await written("b", OLD + 2, by=2)
    actions = tuple(
        IndexDocument(index=prefix, id=id, document={"by": place}) for place, id in enumerate("aabb")
    )

    found = await report(await retry(BulkWrite(index=prefix, actions=actions), 0, 3))

    assert found.counts == {"superseded": 1, "updated": 1}
    assert [await source(prefix, id) for id in "ab"] == [{"by": 1}, {"by": 3}]
