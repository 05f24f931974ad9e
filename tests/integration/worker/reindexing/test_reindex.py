"""`reindex` end to end: the alias moves in one step, or stays where it was with the reason."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue

pytestmark = pytest.mark.usefixtures("worker")

KEYWORD = {"properties": {"name": {"type": "keyword"}}}
COUNT = 2500


async def fill(queue: IndexQueue, index: str, report: Any, count: int = COUNT) -> None:
    """`count` documents, every tenth one routed."""
    actions = [
        {"op": "index", "id": f"{n}", "document": {"name": f"Name {n}"}}
        | ({"routing": f"r{n}"} if n % 10 == 0 else {})
        for n in range(count)
    ]
    await report(await queue.bulk(index=index, actions=actions, wait_until_visible=True))


async def documents(elasticsearch: AsyncElasticsearch, index: str) -> dict[str, Any]:
    await elasticsearch.indices.refresh(index=index)
    page = await elasticsearch.search(index=index, size=10_000, version=True)
    return {
        hit["_id"]: (hit["_source"], hit["_version"], hit.get("_routing")) for hit in page["hits"]["hits"]
    }


async def behind(elasticsearch: AsyncElasticsearch, alias: str) -> list[str]:
    found = await elasticsearch.options(ignore_status=404).indices.get_alias(name=alias)
    return sorted(name for name in found.body if name not in ("error", "status"))


async def test_an_alias_moves_to_a_copy_with_the_new_mapping(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, report: Any
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})
    await fill(queue, prefix, report)
    before = await documents(elasticsearch, prefix)

    found = await report(
        await queue.reindex(
            alias=prefix,
            mappings=KEYWORD,
            settings={"index": {"number_of_shards": 2}, "refresh_interval": "7s"},
        )
    )

    new = found.details["new_index"]
    assert found.details["old_index"] == f"{prefix}-first"
    assert found.details["documents"] == COUNT
    assert await behind(elasticsearch, prefix) == [new]
    assert await documents(elasticsearch, prefix) == before
    assert len(before) == COUNT
    held = (await elasticsearch.indices.get(index=new))[new]
    assert held["mappings"]["properties"]["name"]["type"] == "keyword"
    assert held["settings"]["index"]["number_of_shards"] == "2"
    assert held["settings"]["index"]["refresh_interval"] == "7s"
    assert await elasticsearch.indices.exists(index=f"{prefix}-first")


async def test_a_concrete_index_becomes_an_alias(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, report: Any, source: Any
) -> None:
    await fill(queue, prefix, report, 30)
    before = await documents(elasticsearch, prefix)

    found = await report(await queue.reindex(alias=prefix))
    written = await report(await queue.index(index=prefix, id="1", document={"name": "later"}))

    assert found.details["old_index_kept"] is False
    assert await behind(elasticsearch, prefix) == [found.details["new_index"]]
    assert await source(prefix, "1") == {"name": "later"}
    assert written.outcome == "updated"
    after = await documents(elasticsearch, prefix)
    assert {id: after[id] for id in after if id != "1"} == {id: before[id] for id in before if id != "1"}


async def test_a_mapping_that_does_not_fit_fails_and_the_alias_stays(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, report: Any, failure: Any
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})
    await fill(queue, prefix, report, 30)
    before = await documents(elasticsearch, prefix)

    found = await failure(
        await queue.reindex(alias=prefix, mappings={"properties": {"name": {"type": "integer"}}})
    )

    reason = f"{found.rejected[0].type}: {found.rejected[0].reason}"
    assert "document_parsing_exception" in reason, reason
    assert "[name]" in reason, reason
    assert await behind(elasticsearch, prefix) == [f"{prefix}-first"]
    assert await documents(elasticsearch, prefix) == before
    assert list((await elasticsearch.indices.get(index=f"{prefix}*")).body) == [f"{prefix}-first"]


async def test_a_mapping_that_elasticsearch_refuses_fails_with_its_reason(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, report: Any, failure: Any
) -> None:
    await fill(queue, prefix, report, 1)

    found = await failure(
        await queue.reindex(alias=prefix, mappings={"properties": {"name": {"type": "no_such_type"}}})
    )

    assert found.rejected[0].type == "mapper_parsing_exception"
    assert "no_such_type" in found.rejected[0].reason
    assert await behind(elasticsearch, prefix) == []


async def test_an_alias_that_is_not_there_is_named(queue: IndexQueue, prefix: str, failure: Any) -> None:
    found = await failure(await queue.reindex(alias=f"{prefix}-nowhere"))

    assert found.rejected[0].type == "index_not_found_exception"
    assert f"{prefix}-nowhere" in found.rejected[0].reason


async def test_an_alias_of_two_indices_is_refused(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, failure: Any
) -> None:
    for n in (1, 2):
        await elasticsearch.indices.create(index=f"{prefix}-{n}", aliases={prefix: {}})

    found = await failure(await queue.reindex(alias=prefix))

    assert found.rejected[0].type == "ambiguous_alias"
    assert await behind(elasticsearch, prefix) == [f"{prefix}-1", f"{prefix}-2"]


async def test_an_index_that_keeps_parts_of_its_documents_is_refused(
    queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, failure: Any
) -> None:
    await elasticsearch.indices.create(
        index=f"{prefix}-1", aliases={prefix: {}}, mappings={"_source": {"excludes": ["big"]}}
    )
    await elasticsearch.index(index=prefix, id="1", document={"big": 1, "n": 1})

    found = await failure(await queue.reindex(alias=prefix))

    assert found.rejected[0].type == "source_filtered"
    assert f"{prefix}-1" in found.rejected[0].reason
    assert list((await elasticsearch.indices.get(index=f"{prefix}*")).body) == [f"{prefix}-1"]


@pytest.mark.parametrize("unknown", ["source", "transform"])
async def test_an_unknown_source_or_transform_is_refused(
    queue: IndexQueue, prefix: str, failure: Any, unknown: str
) -> None:
    found = await failure(await queue.reindex(alias=prefix, **{unknown: "catalogue"}))

    assert found.rejected[0].type == f"unknown_{unknown}"
    assert "catalogue" in found.rejected[0].reason
