"""Bulk jobs end to end: many actions, one report, each action's own outcome."""

from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import DeleteDocument, DocumentAction, IndexDocument, IndexQueue, Outcome, UpdateDocument
from worker.process import PenstockWorker


async def test_mixed_actions_each_have_their_outcome(
    queue: IndexQueue, worker: PenstockWorker, prefix: str, report: Any, source: Any
) -> None:
    await report(await queue.index(index=prefix, id="old", document={"n": 1}))
    handle = await queue.bulk(
        index=prefix,
        actions=[
            IndexDocument(index=prefix, id="new", document={"n": 2}),
            UpdateDocument(index=prefix, id="old", doc={"m": 3}),
            UpdateDocument(index=prefix, id="upserted", doc={"n": 4}, doc_as_upsert=True),
            DeleteDocument(index=prefix, id="never"),
        ],
    )
    found = await report(handle)

    assert found.counts == {"created": 2, "updated": 1, "missing": 1}
    assert (found.outcome, found.index, found.id, found.rejected) == (None, prefix, None, ())
    assert await source(prefix, "new") == {"n": 2}
    assert await source(prefix, "old") == {"n": 1, "m": 3}
    assert await source(prefix, "upserted") == {"n": 4}


async def test_a_partial_failure_names_every_rejected_action_and_writes_the_rest(
    queue: IndexQueue,
    worker: PenstockWorker,
    prefix: str,
    elasticsearch: AsyncElasticsearch,
    failure: Any,
    source: Any,
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings={"properties": {"n": {"type": "integer"}}})
    numbers = [1, "one", 2, "two", 3]
    actions = [{"op": "index", "id": f"{i}", "document": {"n": n}} for i, n in enumerate(numbers)]

    found = await failure(await queue.bulk(index=prefix, actions=actions))

    assert found.outcome is Outcome.REJECTED
    assert found.counts == {"created": 3, "rejected": 2}
    assert [(r.position, r.index, r.id, r.type) for r in found.rejected] == [
        (1, prefix, "1", "document_parsing_exception"),
        (3, prefix, "3", "document_parsing_exception"),
    ]
    assert "two" in found.rejected[1].reason
    assert [await source(prefix, f"{i}") for i in range(5)] == [{"n": 1}, None, {"n": 2}, None, {"n": 3}]


async def test_actions_on_one_document_are_applied_in_their_order(
    queue: IndexQueue, worker: PenstockWorker, prefix: str, report: Any, source: Any
) -> None:
    actions: list[DocumentAction] = [
        IndexDocument(index=prefix, id="1", document={"a": 1}),
        UpdateDocument(index=prefix, id="1", doc={"b": 2}),
        DeleteDocument(index=prefix, id="1"),
        UpdateDocument(index=prefix, id="1", doc={"c": 3}, doc_as_upsert=True),
        IndexDocument(index=prefix, id="2", document={"d": 4}),
        UpdateDocument(index=prefix, id="1", doc={"e": 5}),
    ]

    found = await report(await queue.bulk(index=prefix, actions=actions))

    assert found.counts == {"created": 3, "updated": 2, "deleted": 1}
    assert await source(prefix, "1") == {"c": 3, "e": 5}
    assert await source(prefix, "2") == {"d": 4}


async def test_a_bulk_larger_than_a_batch_has_one_report(
    queue: IndexQueue, worker: PenstockWorker, prefix: str, elasticsearch: AsyncElasticsearch, report: Any
) -> None:
    actions = [IndexDocument(index=prefix, id=f"{n}", document={"n": n}) for n in range(1200)]

    found = await report(await queue.bulk(index=prefix, actions=actions, wait_until_visible=True))

    assert found.counts == {"created": 1200}
    assert (await elasticsearch.count(index=prefix))["count"] == 1200
