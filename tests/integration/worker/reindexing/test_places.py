"""One id at two places: aliases and sources give documents routings that their jobs do not name."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, ReindexPhase
from tests.sources import Rows
from worker.registry import Record, Registry
from worker.reindexing.catching_up import FromIndex, FromSource
from worker.reindexing.plan import Origin
from worker.reindexing.room import Room
from worker.reindexing.swap import look
from worker.reindexing.touched import Touched
from worker.reindexing.writing import Copy, write_copies

from .conftest import Act, Documented, Run, Start

COUNT = 9
VERSION = 1024 * 1000
ORIGIN = Origin("products-1", concrete=False, shards=3, aliases={"products": {}})


class Moved:
    """A source that has every document under the routing `r` by now."""

    index = "products"

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        return [Record(id, {"n": 1}, routing="r") for id in ids]


class Gone(Moved):
    """A source that has nothing any more."""

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        return []


@pytest.fixture
async def both(room: Room, elasticsearch: AsyncElasticsearch, documents: Documented, prefix: str) -> str:
    """An old index of three shards, its alias with a routing, and its copy in one shard; their prefix."""
    shards = {"old": 3, "new": 1}
    for name, number in shards.items():
        aliases = {prefix: {"index_routing": "r"}} if name == "old" else {}
        settings = {"number_of_shards": number, "number_of_replicas": 0}
        await elasticsearch.indices.create(index=f"{prefix}-{name}", settings=settings, aliases=aliases)
    wanted = [Copy(f"{n}", "r", VERSION + n, b'{"n":%d}' % n) for n in range(COUNT)]
    await write_copies(room.client, f"{prefix}-old", wanted, room.backoff)
    was = await documents(f"{prefix}-old")
    copies = [Copy(*key, version, json.dumps(source).encode()) for key, (source, version) in was.items()]
    await write_copies(room.client, f"{prefix}-new", copies, room.backoff)
    return prefix


async def test_a_document_behind_an_alias_with_a_routing_stays(
    room: Room, documents: Documented, both: str
) -> None:
    read = FromIndex(room, await look(room.client, f"{both}-old"), f"{both}-new", None)

    caught_up = await read([Touched(f"{n}", None, n, 0) for n in range(COUNT)])
    await write_copies(room.client, f"{both}-new", caught_up.copies, room.backoff)

    assert await documents(f"{both}-new") == await documents(f"{both}-old")


async def test_one_that_was_removed_behind_such_an_alias_goes(
    room: Room, elasticsearch: AsyncElasticsearch, documents: Documented, both: str
) -> None:
    await elasticsearch.delete(index=f"{both}-old", id="3", routing="r")
    read = FromIndex(room, await look(room.client, f"{both}-old"), f"{both}-new", None)

    caught_up = await read([Touched(f"{n}", None, n, 0) for n in range(COUNT)])
    await write_copies(room.client, f"{both}-new", caught_up.copies, room.backoff)

    assert ("3", "r") not in await documents(f"{both}-new")
    assert await documents(f"{both}-new") == await documents(f"{both}-old")


@pytest.mark.parametrize("shards", [1, 3])
async def test_a_record_that_moved_to_a_routing_is_there_once(
    room: Room, elasticsearch: AsyncElasticsearch, documents: Documented, prefix: str, shards: int
) -> None:
    new = f"{prefix}-new"
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    await elasticsearch.indices.create(index=new, settings=settings)
    ids = [f"{n}" for n in range(COUNT)]
    earlier = await room.version_now() - 1024
    was = [Copy(id, None, earlier, b'{"n":0}') for id in ids]
    touched = [Touched(id, routing, n, 0) for n, id in enumerate(ids) for routing in (None, "r")]
    await write_copies(room.client, new, was, room.backoff)

    copies = (await FromSource(room, Moved(), None, ORIGIN)(touched)).copies
    for order in (copies, copies[::-1], copies):
        await write_copies(room.client, new, order, room.backoff)

    there = await documents(new)
    assert {key: source for key, (source, _) in there.items()} == {(id, "r"): {"n": 1} for id in ids}


async def test_records_go_where_jobs_of_their_alias_find_them(
    start_worker: Start,
    run_here: Run,
    at: Callable[[ReindexPhase, Act], None],
    registry: Registry,
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    rows = Rows()
    rows.rows = {f"{n}": {"n": n} for n in range(COUNT)}
    registry.source("rows", index=prefix)(rows)
    await start_worker()
    settings, aliases = {"number_of_shards": 3}, {prefix: {"index_routing": "r"}}
    await elasticsearch.indices.create(index=f"{prefix}-first", settings=settings, aliases=aliases)
    ids = [*rows.rows]
    await report(await queue.load(source="rows", ids=ids))

    async def change() -> None:
        rows.rows["2"] = {"n": 22}
        del rows.rows["3"]
        await report(await queue.load(source="rows", ids=["2", "3"]))

    at(ReindexPhase.CATCH_UP, change)
    await run_here(prefix, source="rows", settings=settings)
    await report(await queue.load(source="rows", ids=ids))

    there = {key: source for key, (source, _) in (await documents(prefix)).items()}
    assert there == {(id, "r"): row for id, row in rows.rows.items()}


@pytest.mark.parametrize("shards", [1, 3])
async def test_a_record_that_is_gone_goes_from_every_place(
    room: Room, elasticsearch: AsyncElasticsearch, documents: Documented, prefix: str, shards: int
) -> None:
    new = f"{prefix}-new"
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    await elasticsearch.indices.create(index=new, settings=settings)
    earlier = await room.version_now() - 1024
    was = [Copy(f"{n}", "r", earlier, b"{}") for n in range(COUNT)]
    await write_copies(room.client, new, was, room.backoff)
    origin = Origin("products-1", concrete=False, shards=3, aliases={"other": {"index_routing": "r"}})
    read = FromSource(room, Gone(), None, origin)

    copies = (await read([Touched(one.id, None, 1, 0) for one in was])).copies
    await write_copies(room.client, new, copies, room.backoff)

    assert await documents(new) == {}
