"""An index against its source: what differs is told, repaired by loads, and found again after a cut."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, VerifyIndex, keys
from settings import Settings
from worker.backoff import Backoff
from worker.elastic import ProcessClient
from worker.records import BadRecord
from worker.registry import Record, Registry
from worker.reindexing.pages import PointInTime, PointInTimeLost, Unreadable
from worker.verifying import run, verification
from worker.verifying.findings import Place
from worker.verifying.reading import SourceFailed

BACKOFF = Backoff(0.01, 0.1, random.random)


class Shop:
    """A table in memory. `fails_after`: batches that `all` gives before it raises, once."""

    def __init__(self, rows: dict[str, Record]) -> None:
        self.rows = rows
        self.fails_after: int | None = None
        self.forges = False
        self.begun_after: list[str | None] = []

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        if self.forges:
            return [Record(id.upper(), {}) for id in ids]
        return [self.rows[id] for id in ids if id in self.rows]

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        self.begun_after.append(after)
        ids = sorted(id for id in self.rows if after is None or id > after)
        for number, start in enumerate(range(0, len(ids), 100)):
            if number == self.fails_after:
                self.fails_after = None
                raise ConnectionError("the database has gone")
            yield [self.rows[id] for id in ids[start : start + 100]]


def rows(count: int) -> dict[str, Record]:
    return {
        f"{n:04}": Record(f"{n:04}", {"n": n, "big": 10**24 + n}, f"r{n}" if n % 10 == 0 else None)
        for n in range(count)
    }


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A source whose differences are looked at again at once."""
    monkeypatch.setitem(verification.Verification.__init__.__kwdefaults__, "settle_seconds", 0.0)
    return Shop(rows(450))


@pytest.fixture
async def compare(
    shop: Shop, prefix: str, redis: Redis, elasticsearch: AsyncElasticsearch, settings: Settings
) -> Any:
    """Verify the test's index; the client is that of a worker, whose answers can be had as bytes."""
    registry = Registry()
    registry.source("shop", index=prefix)(shop)
    elastic = ProcessClient.of(settings)

    async def verified(**options: Any) -> Place:
        again = options.pop("again", False)
        payload = VerifyIndex(**{"index": prefix, "source": "shop", **options})
        return await run.verify(
            elastic.client,
            redis,
            registry,
            payload,
            BACKOFF,
            queue="arq:queue",
            source_timeout=5,
            again=again,
        )

    yield verified
    await elastic.close()


@pytest.fixture
async def filled(shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch) -> None:
    """The index as the source has it. No field is indexed: a number may be as large as it likes."""
    # On a single shard a document has one place, whatever its routing.
    settings = {"number_of_shards": 5}
    await elasticsearch.indices.create(index=prefix, mappings={"dynamic": False}, settings=settings)
    operations: list[dict[str, Any]] = []
    for record in shop.rows.values():
        header = {"_index": prefix, "_id": record.id}
        operations += [{"index": header | ({"routing": record.routing} if record.routing else {})}]
        operations += [record.document or {}]
    answer = await elasticsearch.bulk(operations=operations, refresh=True)
    assert not answer["errors"]


async def spoil(shop: Shop, index: str, elasticsearch: AsyncElasticsearch) -> None:
    """One missing, two extra (one of them routed), one different, one under another routing."""
    await elasticsearch.delete(index=index, id="0001")
    await elasticsearch.index(index=index, id="9000", document={"n": 1})
    await elasticsearch.index(index=index, id="9001", document={"n": 1}, routing="x")
    await elasticsearch.index(index=index, id="0002", document={"n": "two"})
    await elasticsearch.index(index=index, id="0003", document={"n": 3}, routing="stray")
    await elasticsearch.indices.refresh(index=index)


@pytest.mark.usefixtures("filled")
async def test_an_index_that_is_as_its_source_has_no_differences(
    compare: Any, redis: Redis, prefix: str
) -> None:
    place = await compare()

    assert place.findings.total == 0
    assert place.documents == 450
    assert not await redis.exists(keys.verification(prefix, "shop"))


@pytest.mark.usefixtures("filled")
async def test_what_differs_is_told_by_its_id(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch, queue: IndexQueue
) -> None:
    await spoil(shop, prefix, elasticsearch)

    place = await compare()

    ids = place.findings.to_wire()["ids"]
    assert {kind: sorted(found) for kind, found in ids.items()} == {
        "missing": ["0001"],
        "extra": ["0003", "9000", "9001"],
        "different": ["0002"],
    }
    assert (await queue.overview()).waiting == 0


@pytest.mark.usefixtures("filled")
async def test_a_repair_is_made_of_loads_and_of_deletes_by_routing(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch, redis: Redis
) -> None:
    await spoil(shop, prefix, elasticsearch)

    place = await compare(repair=True)

    assert place.findings.repaired == 5
    stored = [await redis.get(f"arq:job:{id.decode()}") for id in await redis.zrange("arq:queue", 0, -1)]
    names = [raw.split(b'"f":"')[1].split(b'"')[0] for raw in stored]
    assert sorted(names) == [b"delete", b"delete", b"load", b"load"]
    assert names.index(b"delete") < len(names) - 1
    assert names[-1] == b"load"


@pytest.mark.usefixtures("filled")
async def test_one_that_was_cut_off_goes_on_where_it_was(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    await elasticsearch.delete(index=prefix, id="0001", refresh=True)
    shop.fails_after = 3
    with pytest.raises(SourceFailed, match="ConnectionError"):
        await compare()

    place = await compare()

    assert shop.begun_after[0] is None
    assert len(shop.begun_after) == 2
    assert place.findings.to_wire()["ids"] == {"missing": ["0001"]}


@pytest.mark.usefixtures("filled")
async def test_a_source_that_is_not_registered_is_named(compare: Any) -> None:
    with pytest.raises(JobFailed, match="no source is named 'shoes' here; registered: shop"):
        await compare(source="shoes")


@pytest.mark.usefixtures("filled")
async def test_another_index_can_be_compared_and_not_repaired(
    compare: Any, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-other")

    with pytest.raises(JobFailed, match="can be compared with it and not repaired"):
        await compare(index=f"{prefix}-other", repair=True)
    place = await compare(index=f"{prefix}-other")

    assert place.findings.counts["missing"] == 450


@pytest.mark.usefixtures("filled")
async def test_a_repair_does_not_go_on_where_one_without_was_cut_off(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    await elasticsearch.delete(index=prefix, id="0001", refresh=True)
    shop.fails_after = 3
    with pytest.raises(SourceFailed):
        await compare()

    place = await compare(repair=True)

    assert shop.begun_after == [None, None]
    assert place.findings.repaired == place.findings.total == 1


@pytest.mark.usefixtures("filled")
async def test_an_answer_that_was_not_asked_for_ends_it_and_repairs_nothing(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch, queue: IndexQueue
) -> None:
    await elasticsearch.index(index=prefix, id="stray", document={}, routing="x", refresh=True)
    shop.forges = True

    with pytest.raises(BadRecord, match="not asked for"):
        await compare(repair=True)

    assert (await queue.overview()).waiting == 0


async def test_an_alias_with_a_routing_of_its_own_makes_nothing_extra(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    shop.rows = {id: Record(id, {"n": 1}) for id in ("1", "2", "3")}
    settings = {"number_of_shards": 5}
    await elasticsearch.indices.create(
        index=f"{prefix}-1", settings=settings, aliases={prefix: {"routing": "r"}}
    )
    for id in shop.rows:
        await elasticsearch.index(index=prefix, id=id, document={"n": 1}, refresh=True)

    assert (await compare()).findings.total == 0


@pytest.mark.usefixtures("filled")
async def test_a_lost_point_in_time_counts_nothing_twice(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations: list[dict[str, Any]] = []
    for n in range(600):
        operations += [{"index": {"_index": prefix, "_id": f"x{n}"}}, {}]
    await elasticsearch.bulk(operations=operations)
    pages = PointInTime.page
    asked: list[Any] = []

    async def page(self: PointInTime, after: Any, **options: Any) -> Any:
        asked.append(after)
        if len(asked) in (2, 3):
            raise PointInTimeLost("forgotten")
        return await pages(self, after, **options)

    monkeypatch.setattr(PointInTime, "page", page)
    monkeypatch.setattr(verification, "_MOST_WAITING", 1)

    place = await compare()

    assert asked[:4] == [None, asked[1], None, None]
    assert place.findings.counts["extra"] == 600
    assert place.documents == 1050


async def test_an_alias_of_several_indices_ends_it_with_the_reason(
    compare: Any, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    for name in (f"{prefix}-1", f"{prefix}-2"):
        await elasticsearch.indices.create(index=name, aliases={prefix: {}})

    with pytest.raises(Unreadable, match=f"documents of {prefix} can't be read .* more than one ind"):
        async with asyncio.timeout(10):
            await compare()


async def test_a_record_without_the_routing_that_its_index_asks_for_is_missing(
    compare: Any, shop: Shop, prefix: str, elasticsearch: AsyncElasticsearch
) -> None:
    shop.rows = {"1": Record("1", {"n": 1}), "2": Record("2", {"n": 2}, "r")}
    await elasticsearch.indices.create(index=prefix, mappings={"_routing": {"required": True}})
    await elasticsearch.index(index=prefix, id="2", document={"n": 2}, routing="r", refresh=True)

    async with asyncio.timeout(10):
        place = await compare()

    assert place.findings.to_wire()["ids"] == {"missing": ["1"]}
