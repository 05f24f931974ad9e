"""Every name of an index moves with it, and jobs on any of them are seen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, JobFailed, ReindexPhase
from jobs.envelope import document_key
from worker.registry import Registry
from worker.reindexing.moving import Moving
from worker.reindexing.state import State, Store

from .conftest import Behind, Documented, Fill, Run


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Have something done when the copy is through, before what was touched is caught up with."""

    def arrange(act: Callable[[], Awaitable[Any]]) -> None:
        enter, done = Store.enter, []

        async def entering(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
            if phase is ReindexPhase.CATCH_UP and not done:
                done.append(phase)
                await act()
            await enter(store, state, phase, **fields)

        monkeypatch.setattr(Store, "enter", entering)

    return arrange


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("concrete", [False, True], ids=["an alias", "a concrete index"])
async def test_other_aliases_move_with_their_properties(
    run_here: Run,
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    documents: Documented,
    meanwhile: Any,
    prefix: str,
    report: Any,
    concrete: bool,
) -> None:
    old = prefix if concrete else f"{prefix}-first"
    cheap = {"filter": {"range": {"price": {"lt": 10}}}, "is_write_index": True}
    routed = {"routing": "shelf"}
    aliases = {f"{prefix}-cheap": cheap, f"{prefix}-routed": routed} | ({} if concrete else {prefix: {}})
    await elasticsearch.indices.create(
        index=old, aliases=aliases, mappings={"properties": {"price": {"type": "integer"}}}
    )
    for id, price in (("1", 5), ("2", 50), ("3", 7)):
        await report(await queue.index(index=prefix, id=id, document={"price": price}))
    for id in ("4", "5"):
        await report(await queue.index(index=f"{prefix}-routed", id=id, document={"price": 1}))
    before = (await elasticsearch.indices.get_alias(index=old)).body[old]["aliases"]

    async def write() -> None:
        await report(await queue.index(index=f"{prefix}-cheap", id="1", document={"price": 6}))
        await report(await queue.index(index=f"{prefix}-routed", id="4", document={"price": 2}))
        await report(await queue.delete(index=f"{prefix}-routed", id="5"))
        if not concrete:
            await report(await queue.delete(index=old, id="3"))

    meanwhile(write)

    found = await run_here(prefix)

    new = found.details["new_index"]
    after = (await elasticsearch.indices.get_alias(index=new)).body[new]["aliases"]
    assert after == {prefix: {}} | before
    there = {key: source["price"] for key, (source, _) in (await documents(new)).items()}
    assert there == {("1", None): 6, ("2", None): 50, ("4", "shelf"): 2} | (
        {("3", None): 7} if concrete else {}
    )
    assert found.details["old_index_kept"] is not concrete


@pytest.mark.usefixtures("worker")
async def test_an_alias_that_somebody_else_has_moved_is_left(
    run_here: Run,
    filled: Fill,
    elasticsearch: AsyncElasticsearch,
    behind: Behind,
    meanwhile: Any,
    prefix: str,
) -> None:
    old = await filled(3)

    async def move() -> None:
        await elasticsearch.indices.create(index=f"{prefix}-other")
        actions = [
            {"remove": {"index": old, "alias": prefix}},
            {"add": {"index": f"{prefix}-other", "alias": prefix}},
        ]
        await elasticsearch.indices.update_aliases(actions=actions)

    meanwhile(move)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    assert failed.value.report.rejected[0].type == "alias_moved"
    assert await behind(f"{prefix}*") == sorted([old, f"{prefix}-other"])
    assert await behind(prefix) == [f"{prefix}-other"]


@pytest.mark.usefixtures("worker")
async def test_a_worker_that_does_not_get_on_costs_a_try_and_no_more(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    behind: Behind,
    redis: Any,
    prefix: str,
    report: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that holds a document of the index throughout the first hold."""
    await filled(5)
    await redis.sadd("penstock:arq:queue:workers", "busy")
    await redis.set("penstock:arq:queue:worker:busy", "{}")
    await redis.hset("penstock:arq:queue:holders", document_key(prefix, "of the busy one"), "1 busy")
    attempt, tries = Moving.try_once, []

    async def trying(moving: Moving, state: State) -> None:
        tries.append(state.holds)
        written = asyncio.create_task(queue.index(index=prefix, id="1", document={"n": len(tries)}))
        await attempt(moving, state)
        await report(await written)
        await redis.hdel("penstock:arq:queue:holders", document_key(prefix, "of the busy one"))

    monkeypatch.setattr(Moving, "try_once", trying)

    found = await run_here(prefix)

    assert tries == [0, 1]
    assert found.details["holds"] == 2
    assert await behind(prefix) == [found.details["new_index"]]


@pytest.mark.usefixtures("worker")
async def test_what_a_transform_can_not_take_is_named(
    run_here: Run, registry: Registry, filled: Fill, behind: Behind, prefix: str
) -> None:
    @registry.transform("picky")
    def picky(document: dict[str, Any]) -> dict[str, Any]:
        if document["n"] in (4, 10):
            raise ValueError("not this one")
        return document

    old = await filled(30)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, transform="picky")

    found = failed.value.report
    assert {one.type for one in found.rejected} == {"transform_failed"}
    assert {one.id for one in found.rejected} <= {"4", "10"}
    assert "ValueError: not this one" in found.rejected[0].reason
    assert await behind(f"{prefix}*") == [old]


async def test_arqs_own_workers_are_in_the_way(
    run_here: Run, elasticsearch: AsyncElasticsearch, redis: Any, prefix: str
) -> None:
    await elasticsearch.indices.create(index=prefix)
    await redis.zadd("penstock:arq:queue:marks", {"stock somebody": 4e12})

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    assert failed.value.report.rejected[0].type == "stock_workers"
    assert "somebody" in failed.value.report.rejected[0].reason
