"""The way back to the former index, with what was written since the swap; or why there is none."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, ReindexPhase
from worker.registry import Registry

from .conftest import Behind, Documented, Fill, Start

COUNT = 60


async def change(queue: IndexQueue, alias: str, report: Any) -> None:
    for handle in (
        await queue.index(index=alias, id="1", document={"name": "later"}),
        await queue.index(index=alias, id="10", routing="r10", document={"name": "routed, later"}),
        await queue.update(index=alias, id="2", doc={"name": "changed"}),
        await queue.delete(index=alias, id="3"),
        await queue.index(index=alias, id="new", document={"name": "new"}),
    ):
        await report(handle)


@pytest.mark.usefixtures("worker")
async def test_writes_since_the_swap_come_along(
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    redis: Any,
    prefix: str,
    report: Any,
    failure: Any,
) -> None:
    old = await filled(COUNT)
    new = (await report(await queue.reindex(alias=prefix))).details["new_index"]
    await change(queue, prefix, report)
    wanted = await documents(new)

    found = await report(await queue.reindex(alias=prefix, rollback=True))

    assert await behind(prefix) == [old]
    assert await documents(old) == wanted
    assert len(wanted) == COUNT
    assert (found.details["old_index"], found.details["new_index"]) == (new, old)
    status = await queue.reindex_status(prefix)
    assert (status.phase, status.kept_index) == (ReindexPhase.ROLLED_BACK, None)
    assert await redis.get("penstock:touching") in (None, b"") or prefix.encode() not in await redis.get(
        "penstock:touching"
    )
    again = await failure(await queue.reindex(alias=prefix, rollback=True))
    assert again.rejected[0].type == "nothing_to_roll_back"


async def test_a_transform_with_an_inverse_is_undone(
    start_worker: Start,
    registry: Registry,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    def undone(document: dict[str, Any]) -> dict[str, Any]:
        return {"name": document.pop("title"), **document}

    @registry.transform("titled", inverse=undone)
    def titled(document: dict[str, Any]) -> dict[str, Any] | None:
        return None if document["n"] % 7 == 0 else {"title": document.pop("name"), **document}

    await start_worker()
    old = await filled(COUNT)
    before = await documents(old)
    found = await report(await queue.reindex(alias=prefix, transform="titled"))
    after = await documents(prefix)
    await report(await queue.index(index=prefix, id="1", document={"title": "later", "n": 1}))
    await report(await queue.delete(index=prefix, id="2"))

    await report(await queue.reindex(alias=prefix, rollback=True))

    assert found.details["dropped"] == len([n for n in range(COUNT) if n % 7 == 0])
    assert found.details["documents"] == len(after) == COUNT - found.details["dropped"]
    assert after[("4", None)][0] == {"title": "Name 4", "n": 4}
    wanted = {key: source for key, (source, _) in before.items()} | {("1", None): {"name": "later", "n": 1}}
    del wanted[("2", None)]
    assert {key: source for key, (source, _) in (await documents(prefix)).items()} == wanted


async def test_without_an_inverse_there_is_no_way_back(
    start_worker: Start,
    registry: Registry,
    queue: IndexQueue,
    filled: Fill,
    behind: Behind,
    prefix: str,
    report: Any,
    failure: Any,
) -> None:
    @registry.transform("hushed")
    async def hushed(document: dict[str, Any]) -> dict[str, Any] | None:
        return {"n": document["n"]}

    await start_worker()
    await filled(COUNT)
    new = (await report(await queue.reindex(alias=prefix, transform="hushed"))).details["new_index"]

    found = await failure(await queue.reindex(alias=prefix, rollback=True))

    assert found.rejected[0].type == "no_inverse"
    assert "hushed" in found.rejected[0].reason
    assert await behind(prefix) == [new]
    assert (await queue.reindex_status(prefix)).kept_index is not None


@pytest.mark.usefixtures("worker")
async def test_an_index_that_is_gone_is_no_way_back(
    queue: IndexQueue,
    filled: Fill,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    failure: Any,
) -> None:
    old = await filled(5)
    await report(await queue.reindex(alias=prefix))
    await elasticsearch.indices.delete(index=old)

    found = await failure(await queue.reindex(alias=prefix, rollback=True))

    assert found.rejected[0].type == "old_index_gone"
    assert old in found.rejected[0].reason


@pytest.mark.usefixtures("worker")
async def test_an_index_that_keeps_parts_of_its_documents_has_no_way_back(
    queue: IndexQueue, filled: Fill, behind: Behind, prefix: str, report: Any, failure: Any
) -> None:
    await filled(5)
    mappings = {"_source": {"excludes": ["name"]}}
    new = (await report(await queue.reindex(alias=prefix, mappings=mappings))).details["new_index"]

    found = await failure(await queue.reindex(alias=prefix, rollback=True))

    assert found.rejected[0].type == "source_filtered"
    assert await behind(prefix) == [new]


async def test_too_many_writes_are_no_way_back(
    start_worker: Start,
    settings: Any,
    queue: IndexQueue,
    filled: Fill,
    prefix: str,
    report: Any,
    failure: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = await start_worker()
    few = settings.model_copy(update={"reindex_rollback_documents": 2})
    await filled(5)
    worker.ctx["penstock"].settings = few
    await report(await queue.reindex(alias=prefix))
    for n in range(4):
        await report(await queue.index(index=prefix, id=f"new {n}", document={}))

    found = await failure(await queue.reindex(alias=prefix, rollback=True))

    assert found.rejected[0].type == "too_many_touched"


@pytest.mark.usefixtures("worker")
async def test_a_later_reindex_ends_what_was_kept_for_the_former(
    queue: IndexQueue, filled: Fill, redis: Any, prefix: str, report: Any
) -> None:
    old = await filled(5)
    first = (await report(await queue.reindex(alias=prefix))).details["new_index"]
    kept = await queue.reindex_status(prefix)

    second = (await report(await queue.reindex(alias=prefix))).details["new_index"]

    assert kept.kept_index == old
    assert (await queue.reindex_status(prefix)).kept_index == first
    touching = (await redis.get("penstock:touching")).decode()
    assert second in touching
    assert f" {first}\n" not in f"{touching}\n"


@pytest.mark.usefixtures("worker")
async def test_a_reindex_that_fails_leaves_the_way_back_of_the_former(
    queue: IndexQueue, filled: Fill, behind: Behind, prefix: str, report: Any, failure: Any
) -> None:
    old = await filled(5)
    await report(await queue.reindex(alias=prefix))
    wrong = {"properties": {"name": {"type": "integer"}}}
    await failure(await queue.reindex(alias=prefix, mappings=wrong))

    await report(await queue.reindex(alias=prefix, rollback=True))

    assert await behind(prefix) == [old]
