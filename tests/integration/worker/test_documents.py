"""Every writing job on one document, end to end: its report and what stands in the index."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexDocument, IndexQueue, JobStatus, Outcome, UpdateDocument

pytestmark = pytest.mark.usefixtures("worker")

ALL_JSON = {
    "text": 'line\nbreak "quoted" \\ ünïcode 漢字 \U0001f600 \u2028',
    "whole": 9_007_199_254_740_993,
    "negative": -1,
    "fraction": 0.1,
    "yes": True,
    "nothing": None,
    "list": [1, 2, None],
    "objects": [{"three": 3}, {}],
    "object": {"inner": {"deep": []}},
}


async def test_index_writes_and_writes_anew(queue: IndexQueue, prefix: str, report: Any, source: Any) -> None:
    first = await report(await queue.index(index=prefix, id="1", document=ALL_JSON))
    second = await report(await queue.index(index=prefix, id="1", document={"other": 1}))

    assert (first.outcome, first.index, first.id) == (Outcome.CREATED, prefix, "1")
    assert (first.seq_no, first.attempts, first.failed) == (0, 1, False)
    assert second.outcome is Outcome.UPDATED
    assert second.seq_no == 1
    assert second.version > first.version
    assert first.batch != second.batch
    assert await source(prefix, "1") == {"other": 1}


async def test_a_document_is_stored_as_it_was_sent(
    queue: IndexQueue, prefix: str, report: Any, source: Any
) -> None:
    await report(await queue.index(index=prefix, id="ü/ ?#漢", document=ALL_JSON))

    assert await source(prefix, "ü/ ?#漢") == ALL_JSON


async def test_a_report_tells_its_times(queue: IndexQueue, prefix: str, report: Any) -> None:
    handle = await queue.index(index=prefix, id="1", document={})
    found = await report(handle)

    assert 0 <= found.waited_ms < 20_000
    assert 0 < found.took_ms < 20_000
    assert await handle.status() is JobStatus.COMPLETE
    assert await queue.job(handle.id).result() == found


async def test_create_refuses_to_replace(
    queue: IndexQueue, prefix: str, report: Any, failure: Any, source: Any
) -> None:
    created = await report(await queue.index(index=prefix, id="1", document={"a": 1}, create=True))
    refused = await failure(await queue.index(index=prefix, id="1", document={"a": 2}, create=True))

    assert created.outcome is Outcome.CREATED
    assert refused.outcome is Outcome.REJECTED
    (rejection,) = refused.rejected
    assert (rejection.index, rejection.id) == (prefix, "1")
    assert rejection.type == "version_conflict_engine_exception"
    assert "document already exists" in rejection.reason
    assert await source(prefix, "1") == {"a": 1}


async def test_update_changes_in_part(queue: IndexQueue, prefix: str, report: Any, source: Any) -> None:
    await report(await queue.index(index=prefix, id="1", document={"a": 1, "in": {"b": 2}}))
    changed = await report(await queue.update(index=prefix, id="1", doc={"in": {"c": 3}}))
    same = await report(await queue.update(index=prefix, id="1", doc={"a": 1}))

    assert changed.outcome is Outcome.UPDATED
    assert same.outcome is Outcome.UNCHANGED
    assert await source(prefix, "1") == {"a": 1, "in": {"b": 2, "c": 3}}


async def test_update_of_nothing_is_rejected(
    queue: IndexQueue, prefix: str, failure: Any, source: Any
) -> None:
    found = await failure(await queue.update(index=prefix, id="gone", doc={"a": 1}))

    (rejection,) = found.rejected
    assert (rejection.type, rejection.index, rejection.id) == ("document_missing_exception", prefix, "gone")
    assert "gone" in rejection.reason
    assert await source(prefix, "gone") is None


@pytest.mark.parametrize("wish", [{"doc_as_upsert": True}, {"upsert": {"a": 1}}])
async def test_update_with_an_upsert_writes_it_where_nothing_is(
    queue: IndexQueue, prefix: str, report: Any, source: Any, wish: dict[str, Any]
) -> None:
    arguments = {"index": prefix, "id": "1", "doc": {"b": 2}} | wish
    first = await report(await queue.update(**arguments))
    stood = await source(prefix, "1")
    second = await report(await queue.update(**arguments))

    assert first.outcome is Outcome.CREATED
    assert stood == ({"b": 2} if "doc_as_upsert" in wish else {"a": 1})
    assert second.outcome is (Outcome.UNCHANGED if "doc_as_upsert" in wish else Outcome.UPDATED)
    assert await source(prefix, "1") == stood | {"b": 2}


async def test_delete_and_delete_again(queue: IndexQueue, prefix: str, report: Any, source: Any) -> None:
    await report(await queue.index(index=prefix, id="1", document={}))
    first = await report(await queue.delete(index=prefix, id="1"))
    again = await report(await queue.delete(index=prefix, id="1"))
    never = await report(await queue.delete(index=prefix, id="never"))

    assert first.outcome is Outcome.DELETED
    assert again.outcome is Outcome.MISSING
    assert never.outcome is Outcome.MISSING
    assert await source(prefix, "1") is None


async def test_a_deleted_document_can_be_written_again(
    queue: IndexQueue, prefix: str, report: Any, source: Any
) -> None:
    for n in range(3):
        await report(await queue.index(index=prefix, id="1", document={"n": n}))
        await report(await queue.delete(index=prefix, id="1"))
    last = await report(await queue.update(index=prefix, id="1", doc={"n": 9}, doc_as_upsert=True))

    assert last.outcome is Outcome.CREATED
    assert await source(prefix, "1") == {"n": 9}


async def test_routing_goes_with_every_kind(
    queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, report: Any, source: Any
) -> None:
    await elasticsearch.indices.create(
        index=prefix, mappings={"_routing": {"required": True}}, settings={"number_of_shards": 3}
    )
    place = {"index": prefix, "id": "1", "routing": "somewhere"}

    written = await report(await queue.index(document={"a": 1}, **place))
    updated = await report(await queue.update(doc={"b": 2}, **place))
    stood = await source(prefix, "1", routing="somewhere")
    deleted = await report(await queue.delete(**place))

    assert (written.outcome, updated.outcome) == (Outcome.CREATED, Outcome.UPDATED)
    assert stood == {"a": 1, "b": 2}
    assert deleted.outcome is Outcome.DELETED


async def test_a_missing_routing_is_named_whatever_the_kind(
    queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, failure: Any
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings={"_routing": {"required": True}})

    for handle in (
        await queue.index(index=prefix, id="1", document={}),
        await queue.delete(index=prefix, id="1"),
        await queue.update(index=prefix, id="1", doc={}),
        await queue.index(index=prefix, id="1", document={}, create=True),
    ):
        assert (await failure(handle)).rejected[0].type == "routing_missing_exception"


async def test_require_alias_waits_for_the_alias_where_there_is_none(
    queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, report: Any
) -> None:
    waiting = await queue.index(index=prefix, id="1", document={}, require_alias=True)
    other = await report(await queue.index(index=f"{prefix}-other", id="1", document={}))
    assert other.outcome is Outcome.CREATED
    assert not await elasticsearch.indices.exists(index=prefix)

    await elasticsearch.indices.create(index=f"{prefix}-1", aliases={prefix: {}})

    assert (await report(waiting)).outcome is Outcome.CREATED
    assert (await elasticsearch.get(index=f"{prefix}-1", id="1"))["found"]


async def test_rejected_keeps_index_id_type_and_reason(
    queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, report: Any, failure: Any, source: Any
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings={"properties": {"price": {"type": "float"}}})
    good, bad, after = [
        await queue.index(index=prefix, id=id, document={"price": price})
        for id, price in (("good", 1.5), ("bad", "ask us"), ("after", 2.5))
    ]
    found = await failure(bad)

    assert (found.outcome, found.index, found.id) == (Outcome.REJECTED, prefix, "bad")
    (rejection,) = found.rejected
    assert (rejection.index, rejection.id, rejection.position) == (prefix, "bad", 0)
    assert rejection.type == "document_parsing_exception"
    assert "[price]" in rejection.reason
    assert "ask us" in rejection.reason
    assert {(await report(good)).outcome, (await report(after)).outcome} == {Outcome.CREATED}
    assert await source(prefix, "bad") is None


async def test_two_indices_share_a_request_and_one_that_refuses_hurts_itself_alone(
    queue: IndexQueue, prefix: str, elasticsearch: AsyncElasticsearch, report: Any, failure: Any
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-closed")
    await elasticsearch.indices.close(index=f"{prefix}-closed")

    handles = [
        await queue.index(index=f"{prefix}-{n}", id="1", document={"n": n}) for n in ("a", "closed", "b")
    ]

    assert (await failure(handles[1])).rejected[0].type == "index_closed_exception"
    assert [(await report(handles[n])).outcome for n in (0, 2)] == [Outcome.CREATED] * 2


async def test_a_request_that_is_refused_whole_is_split_until_the_guilty_one_stands_alone(
    queue: IndexQueue, prefix: str, report: Any, failure: Any, source: Any
) -> None:
    await report(await queue.index(index=prefix, id="bad", document={"n": -1}))
    # Elasticsearch answers an unknown member of a script with 400 for the whole request.
    script: dict[str, Any] = {"source": "ctx._source.n = 0", "unheard_of": True}
    payloads: list[Any] = [IndexDocument(index=prefix, id=str(n), document={"n": n}) for n in range(40)]
    payloads.insert(17, UpdateDocument(index=prefix, id="bad", script=script))

    handles = await queue.enqueue_many(payloads)
    found = await failure(handles.pop(17))

    assert found.rejected[0].type == "x_content_parse_exception"
    assert "script" in found.rejected[0].reason
    assert {(await report(handle)).outcome for handle in handles} == {Outcome.CREATED}
    assert await source(prefix, "bad") == {"n": -1}
