"""What a run leaves behind that is cut off at the worst moment, and what others make of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, JobStatus, ReindexPhase, Report, keys
from tests.processes import until
from worker.cancelling import end_tasks
from worker.reindexing import swap
from worker.reindexing.forgetting import forget
from worker.reindexing.moving import Moving
from worker.reindexing.room import Room
from worker.reindexing.state import Job, State, Store
from worker.reindexing.tidying import tidy_up

from .conftest import JOB, Behind, Documented, Run


class Killed(BaseException):
    """Raised where a run is cut off; nothing of Penstock's catches it."""


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[asyncio.Event]]:
    """Have the call that moves the alias wait at the master, whoever gives up waiting for it."""
    inside, goes_on, send = asyncio.Event(), asyncio.Event(), swap._send
    calls: list[asyncio.Task[None]] = []

    async def sending(client: AsyncElasticsearch, actions: list[dict[str, Any]]) -> None:
        async def at_the_master() -> None:
            await goes_on.wait()
            await send(client, actions)

        calls.append(asyncio.create_task(at_the_master()))
        inside.set()
        await asyncio.shield(calls[0])

    monkeypatch.setattr(swap, "_send", sending)

    async def there() -> asyncio.Event:
        await inside.wait()
        return goes_on

    return there


async def cut_off(run: "asyncio.Task[Report]") -> None:
    await end_tasks([run])
    assert run.cancelled()


@pytest.mark.usefixtures("worker")
async def test_a_swap_that_is_under_way_when_its_worker_stops_loses_no_write(
    run_here: Run,
    queue: IndexQueue,
    redis: Redis,
    filled: Callable[[int], Awaitable[str]],
    behind: Behind,
    documents: Documented,
    late: Callable[[], Awaitable[asyncio.Event]],
    prefix: str,
    report: Any,
) -> None:
    old = await filled(10)
    run = asyncio.create_task(run_here(prefix))
    goes_on = await late()
    first = await queue.update(index=prefix, id="5", doc={"first": 1})
    await cut_off(run)

    assert await redis.hlen(keys.HELD) == 2  # the alias, and the index itself
    assert await behind(prefix) == [old]
    former = await holder(redis)
    again = asyncio.create_task(run_here(prefix))

    async def taken_over() -> bool:
        return await holder(redis) != former

    await until(taken_over, 5.0, lambda: "nobody took the hold over")
    assert await first.status() is not JobStatus.COMPLETE
    goes_on.set()
    new = (await again).details["new_index"]

    await report(first)
    await report(await queue.update(index=prefix, id="5", doc={"second": 1}))
    assert await behind(prefix) == [new]
    assert (await documents(prefix))[("5", None)][0] == {"name": "Name 5", "n": 5, "first": 1, "second": 1}
    assert await redis.hlen(keys.HELD) == 0


async def holder(redis: Redis) -> bytes:
    """Which run holds the jobs."""
    (owner,) = {value.split()[2] for value in await redis.hvals(keys.HELD)}  # type: ignore[misc]
    return owner


async def test_an_index_that_the_alias_leads_to_is_not_removed(
    room: Room, elasticsearch: AsyncElasticsearch, behind: Behind, prefix: str
) -> None:
    new = f"{prefix}-new"
    await elasticsearch.indices.create(index=new, aliases={prefix: {}})
    store = Store(room.redis, prefix, Job(*JOB), room.queue)
    await store.begin(rollback=False)
    await store.save(new=new, old=f"{prefix}-old", names=[prefix], moving=False, phase=ReindexPhase.ENDING)

    await tidy_up(room, store, prefix, await store.load())

    assert await behind(prefix) == [new]
    assert (await store.load()).phase is ReindexPhase.SWITCH


@pytest.mark.usefixtures("worker")
async def test_a_concrete_index_is_written_to_again_when_its_reindex_is_forgotten(
    run_here: Run,
    queue: IndexQueue,
    room: Room,
    redis: Redis,
    elasticsearch: AsyncElasticsearch,
    behind: Behind,
    prefix: str,
    report: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await elasticsearch.indices.create(index=prefix)
    await report(await queue.index(index=prefix, id="1", document={}))

    async def killed(moving: Moving, state: State) -> None:
        raise Killed

    monkeypatch.setattr(Moving, "_counted", killed)
    with pytest.raises(Killed):
        await run_here(prefix)
    assert (await elasticsearch.indices.get_settings(index=prefix, name="index.blocks.*")).body

    await forget(redis, room.client, prefix, delete_index=False)

    assert await behind(f"{prefix}*") == [prefix]
    await report(await queue.index(index=prefix, id="2", document={}))
    assert await redis.hlen(keys.HELD) == 0


@pytest.mark.usefixtures("worker")
async def test_a_new_index_that_a_late_copy_has_made_is_not_moved_to(
    run_here: Run,
    elasticsearch: AsyncElasticsearch,
    filled: Callable[[int], Awaitable[str]],
    behind: Behind,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(10)
    attempt = Moving.try_once

    async def replaced(moving: Moving, state: State) -> None:
        there = await elasticsearch.search(index=state.new, size=10, version=True)
        await elasticsearch.indices.delete(index=state.new)
        for hit in there["hits"]["hits"]:
            same = {"id": hit["_id"], "routing": hit.get("_routing"), "document": hit["_source"]}
            await elasticsearch.index(
                index=state.new, version=hit["_version"], version_type="external", **same
            )
        await attempt(moving, replace(state, moving=False))

    monkeypatch.setattr(Moving, "try_once", replaced)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    assert failed.value.report.rejected[0].type == "new_index_gone"
    assert await behind(f"{prefix}*") == [old]


@pytest.mark.usefixtures("worker")
async def test_a_bulk_that_its_index_does_not_take_does_not_keep_the_alias_where_it_is(
    run_here: Run,
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    filled: Callable[[int], Awaitable[str]],
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    old = await filled(10)
    await elasticsearch.indices.put_settings(index=old, settings={"index.blocks.write": True})
    handle = await queue.bulk(
        index=prefix,
        actions=[{"op": "index", "id": f"{n}", "document": {"late": n}} for n in range(2)],
    )
    await until(lambda: runs(handle), 5.0, lambda: "the bulk was not claimed")

    await run_here(prefix)

    assert (await report(handle)).counts == {"updated": 2}
    got = await documents(prefix)
    assert [got[key][0] for key in (("0", None), ("1", None))] == [{"late": 0}, {"late": 1}]


async def runs(handle: Any) -> bool:
    return await handle.status() is JobStatus.IN_PROGRESS
