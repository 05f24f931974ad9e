"""`wait_until_visible`: what is reported can be found by a search, and a batch shares one refresh."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import DeleteDocument, DocumentAction, IndexDocument, IndexQueue, UpdateDocument
from worker.process import PenstockWorker


@pytest.fixture
async def still_index(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """An index that is refreshed by nobody but the worker."""
    await elasticsearch.indices.create(index=prefix, settings={"refresh_interval": "-1"})
    return prefix


async def refreshes(elasticsearch: AsyncElasticsearch, index: str) -> int:
    stats = await elasticsearch.indices.stats(index=index, metric="refresh")
    total: int = stats["_all"]["primaries"]["refresh"]["external_total"]
    return total


async def found(elasticsearch: AsyncElasticsearch, index: str) -> dict[str, Any]:
    hits = (await elasticsearch.search(index=index, size=1000))["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


async def test_each_kind_is_found_by_a_search_as_soon_as_it_is_reported(
    queue: IndexQueue,
    worker: PenstockWorker,
    elasticsearch: AsyncElasticsearch,
    still_index: str,
    report: Any,
) -> None:
    place: dict[str, Any] = {"index": still_index, "id": "1", "wait_until_visible": True}

    await report(await queue.index(document={"a": 1}, **place))
    assert await found(elasticsearch, still_index) == {"1": {"a": 1}}
    await report(await queue.update(doc={"b": 2}, **place))
    assert await found(elasticsearch, still_index) == {"1": {"a": 1, "b": 2}}
    await report(await queue.delete(**place))
    assert await found(elasticsearch, still_index) == {}


async def test_many_jobs_share_the_refresh_of_their_batch(
    queue: IndexQueue, start_worker: Any, elasticsearch: AsyncElasticsearch, still_index: str, report: Any
) -> None:
    before = await refreshes(elasticsearch, still_index)
    payloads = [
        IndexDocument(index=still_index, id=f"{n}", document={"n": n}, wait_until_visible=True)
        for n in range(200)
    ]
    handles = await queue.enqueue_many(payloads)

    await start_worker()
    batches = {(await report(handle)).batch for handle in handles}

    assert await found(elasticsearch, still_index) == {f"{n}": {"n": n} for n in range(200)}
    assert await refreshes(elasticsearch, still_index) - before == len(batches)
    assert len(batches) <= 4


async def test_without_the_wish_nothing_is_refreshed(
    queue: IndexQueue,
    worker: PenstockWorker,
    elasticsearch: AsyncElasticsearch,
    still_index: str,
    report: Any,
) -> None:
    before = await refreshes(elasticsearch, still_index)

    await report(await queue.index(index=still_index, id="1", document={}))

    assert await refreshes(elasticsearch, still_index) == before
    assert await found(elasticsearch, still_index) == {}


async def test_one_action_of_a_bulk_may_wait_for_all(
    queue: IndexQueue,
    worker: PenstockWorker,
    elasticsearch: AsyncElasticsearch,
    still_index: str,
    report: Any,
) -> None:
    actions: list[DocumentAction] = [
        IndexDocument(index=still_index, id="1", document={}),
        UpdateDocument(index=still_index, id="2", doc={}, doc_as_upsert=True, wait_until_visible=True),
        DeleteDocument(index=still_index, id="3"),
    ]

    await report(await queue.bulk(index=still_index, actions=actions))

    assert await found(elasticsearch, still_index) == {"1": {}, "2": {}}
