"""What jobs leave behind for a reindex: every job on its names its documents, in the step that ends it."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import DeleteDocument, IndexDocument, IndexQueue, Outcome, UpdateDocument, keys
from jobs.envelope import split
from settings import Settings
from tests.claiming import claim, enqueue, finish
from tests.integration.worker.conftest import running
from tests.sources import Rows, registered
from worker.actions import VERSIONS_PER_NUMBER
from worker.claims import Claimed, Claims
from worker.process import PenstockWorker
from worker.reindexing.touched import Touched, TouchedSet, Touching
from worker.touches import Touches


@pytest.fixture
def touching(redis: Redis) -> Touching:
    return Touching(redis)


@pytest.fixture
def touched(redis: Redis) -> TouchedSet:
    return TouchedSet(redis, "r1")


async def end(redis: Redis, worker: Claims, jobs: Sequence[Claimed], deleted_version: int = 0) -> None:
    """End jobs by a finisher that does not know yet who wants to know."""

    def touched(job: Claimed) -> Touches:
        action = json.loads(split(job.raw).body)["k"]
        return [(action["index"], action["id"], None, deleted_version)]

    await finish(redis, worker, jobs, touched=touched)


def documents(found: Sequence[Touched]) -> list[tuple[str, str | None]]:
    return [(one.id, one.routing) for one in found]


@pytest.mark.usefixtures("worker")
async def test_every_outcome_leaves_its_document(
    queue: IndexQueue, touching: Touching, touched: TouchedSet, prefix: str, report: Any, failure: Any
) -> None:
    await touching.start("r1", [prefix])

    await report(await queue.index(index=prefix, id="created", document={"n": 1}))
    await report(await queue.update(index=prefix, id="created", doc={"n": 2}))
    await report(await queue.update(index=prefix, id="created", doc={"n": 2}))
    await report(await queue.index(index=prefix, id="routed", routing="a:b", document={"n": 1}))
    missing = await report(await queue.delete(index=prefix, id="gone"))
    await failure(await queue.update(index=prefix, id="rejected update", doc={"n": 1}))
    await failure(await queue.index(index=prefix, id="rejected", document={"n": "text"}))

    assert missing.outcome is Outcome.MISSING
    found = await touched.first(100)
    expected = [
        ("created", None),
        ("routed", "a:b"),
        ("gone", None),
        ("rejected update", None),
        ("rejected", None),
    ]
    assert documents(found) == expected
    assert [one.deleted_version for one in found] == [0, 0, missing.version, 0, 0]
    assert await touched.untold() == []


@pytest.mark.usefixtures("worker")
async def test_a_superseded_job_and_one_that_was_overtaken_leave_theirs(
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    touching: Touching,
    touched: TouchedSet,
    prefix: str,
    report: Any,
) -> None:
    newer = {"version": 2**62, "version_type": "external"}
    await elasticsearch.index(index=prefix, id="1", document={}, **newer)  # type: ignore[arg-type]
    await touching.start("r1", [prefix])

    old = await report(await queue.index(index=prefix, id="1", document={}))
    writes = [IndexDocument(index=prefix, id="2", document={"n": n}) for n in range(20)]
    outcomes = {(await report(handle)).outcome for handle in await queue.enqueue_many(writes)}

    assert old.outcome is Outcome.SUPERSEDED
    assert Outcome.CREATED in outcomes
    assert documents(await touched.first(100)) == [("1", None), ("2", None)]


@pytest.mark.usefixtures("worker")
async def test_a_bulk_leaves_the_documents_of_all_its_actions(
    queue: IndexQueue, touching: Touching, touched: TouchedSet, prefix: str, report: Any, failure: Any
) -> None:
    await touching.start("r1", [prefix])
    plain = [IndexDocument(index=prefix, id=f"p{n}", document={"n": n}) for n in range(3)]
    await report(await queue.bulk(index=prefix, actions=plain))
    mixed = await failure(
        await queue.bulk(
            index=prefix,
            actions=[
                DeleteDocument(index=prefix, id="p0"),
                UpdateDocument(index=prefix, id="nobody", doc={"n": 1}),
                IndexDocument(index=prefix, id="routed", routing="é", document={"n": 1}),
            ],
        )
    )

    found = await touched.first(100)

    assert mixed.counts[Outcome.DELETED] == 1
    assert set(documents(found)) == {
        *[(f"p{n}", None) for n in range(3)],
        ("nobody", None),
        ("routed", "é"),
    }
    versions = {one.id: one.deleted_version for one in found}
    deleted = versions.pop("p0")
    assert deleted > 0 == deleted % VERSIONS_PER_NUMBER
    assert set(versions.values()) == {0}


async def test_a_load_leaves_its_documents_with_the_routing_of_their_records(
    queue: IndexQueue,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    touching: Touching,
    touched: TouchedSet,
    prefix: str,
    report: Any,
) -> None:
    rows = Rows()
    rows.rows, rows.routing = {"a": {"n": 1}, "b": {"n": 2}}, {"b": "r"}
    place = registered(monkeypatch, "sources_of_touched", prefix, rows)
    await touching.start("r1", [prefix])
    async with running(PenstockWorker(settings.model_copy(update={"sources": place}))):
        await report(await queue.load(source="rows", ids=["a", "b", "gone"]))

    found = await touched.first(9)
    assert set(documents(found)) == {("a", None), ("b", "r"), ("gone", None)}
    assert {one.id for one in found if one.deleted_version} == {"gone"}


@pytest.mark.usefixtures("worker")
async def test_jobs_on_other_names_leave_nothing_and_none_do_after_the_end(
    queue: IndexQueue, redis: Redis, touching: Touching, touched: TouchedSet, prefix: str, report: Any
) -> None:
    await touching.start("r1", [prefix, f"{prefix}-1"])
    await touching.start("r2", [f"{prefix}-2"])
    await report(await queue.index(index=f"{prefix}-3", id="3", document={}))
    await report(await queue.index(index=f"{prefix}-1", id="1", document={}))
    await report(await queue.index(index=f"{prefix}-2", id="2", document={}))
    assert documents(await touched.first(9)) == [("1", None)]
    assert documents(await TouchedSet(redis, "r2").first(9)) == [("2", None)]

    await touching.rename("r1", [f"{prefix}-3"])
    await touching.stop("r2")
    for name in (prefix, f"{prefix}-1", f"{prefix}-2", f"{prefix}-3"):
        await report(await queue.index(index=name, id="later", document={}))

    assert documents(await touched.first(9)) == [("1", None), ("later", None)]
    await touching.stop("r1")
    await report(await queue.index(index=f"{prefix}-3", id="last", document={}))
    assert await touched.count() == await TouchedSet(redis, "r2").count() == 0
    assert await redis.keys("penstock:touch*") == [keys.TOUCHED.encode()]


async def test_nothing_that_ends_after_the_flag_is_missing(
    queue: IndexQueue,
    redis: Redis,
    touching: Touching,
    touched: TouchedSet,
    prefix: str,
    start_worker: Any,
    report: Any,
) -> None:
    await start_worker()
    await start_worker()
    seed = random.Random(4)
    writes = [
        IndexDocument(index=prefix, id=f"{n}", document={"n": n})
        if seed.random() < 0.7
        else DeleteDocument(index=prefix, id=f"{n}")
        for n in range(2000)
    ]
    handles = await queue.enqueue_many(writes)
    names = [keys.RESULT_PREFIX + handle.id for handle in handles]
    while sum(raw is not None for raw in await redis.mget(names)) < seed.randrange(100, 500):  # noqa: ASYNC110
        await asyncio.sleep(0)

    await touching.start("r1", [prefix])

    unfinished = {write.id for write, raw in zip(writes, await redis.mget(names), strict=True) if raw is None}
    await asyncio.gather(*[report(handle) for handle in handles])
    assert unfinished
    assert unfinished <= {one.id for one in await touched.first(5000)}
    assert await touched.count() < len(writes)  # the first ones had ended before


async def test_documents_come_in_the_order_of_their_latest_touch(
    queue: IndexQueue, redis: Redis, claims_of: Any, touching: Touching, touched: TouchedSet
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    await touching.start("r1", ["products"])
    await enqueue(queue, "a", "b", "c")
    first, *others = await claim(one)
    await end(redis, one, others)
    await enqueue(queue, "b")

    await end(redis, two, await claim(two))
    await end(redis, one, [first])

    assert [found.id for found in await touched.first(2)] == ["c", "b"]
    assert [found.id for found in await touched.first(9)] == ["c", "b", "a"]


async def test_one_that_was_touched_again_is_not_forgotten(
    queue: IndexQueue, redis: Redis, claims_of: Any, touching: Touching, touched: TouchedSet
) -> None:
    one = await claims_of("one")
    await touching.start("r1", ["products"])
    await enqueue(queue, "a", "b")
    await end(redis, one, await claim(one))
    seen = await touched.first(9)
    await enqueue(queue, "a")
    await end(redis, one, await claim(one))

    await touched.forget(seen)

    assert [found.id for found in await touched.first(9)] == ["a"]
    await touched.forget(await touched.first(9))
    assert await touched.count() == 0
    assert not await redis.exists("penstock:touched:r1", "penstock:touched:r1:deleted")


async def test_the_highest_version_of_a_delete_stays(
    queue: IndexQueue, redis: Redis, claims_of: Any, touching: Touching, touched: TouchedSet
) -> None:
    one = await claims_of("one")
    await touching.start("r1", ["products"])
    high = 2**62 + 1  # no double holds it
    for version in (9, high - 1, high, high - 1, 0):
        await enqueue(queue, "a")
        await end(redis, one, await claim(one), version)

    assert [found.deleted_version for found in await touched.first(9)] == [high]


async def test_more_than_may_be_kept_is_dropped_and_asked_for_no_more(
    queue: IndexQueue, redis: Redis, claims_of: Any, touching: Touching, touched: TouchedSet
) -> None:
    one = await claims_of("one")
    await touching.start("r1", ["products"])
    await touching.rename("r1", ["products"], most=3)
    await enqueue(queue, "a", "b", "c")
    await end(redis, one, await claim(one))
    assert (await touched.count(), await touched.overflowed()) == (3, False)
    await enqueue(queue, "a", "d")

    await end(redis, one, await claim(one))

    assert (await touched.count(), await touched.overflowed()) == (0, True)
    assert await touching.names("r1") == frozenset()
    assert not await redis.exists(keys.TOUCHING)
    await touching.rename("r1", ["products"])  # what has ended meanwhile stays unknown
    assert await touching.names("r1") == frozenset()
    await touching.stop("r1")
    assert not await touched.overflowed()


async def test_a_repeat_after_a_lost_answer_leaves_the_same(
    queue: IndexQueue, redis: Redis, claims_of: Any, touching: Touching, touched: TouchedSet
) -> None:
    one = await claims_of("one")
    await touching.start("r1", ["products"])
    await enqueue(queue, "a", "b")
    jobs = await claim(one)

    await end(redis, one, jobs)
    await end(redis, one, jobs)

    assert [found.id for found in await touched.first(9)] == ["a", "b"]
    assert await redis.hget("penstock:arq:queue:counters", "jobs") == b"2"


@pytest.mark.parametrize("bad", ["", "a b", "a\nb"])
async def test_a_reindex_id_with_white_space_is_refused(touching: Touching, bad: str) -> None:
    with pytest.raises(ValueError, match="reindex_id"):
        await touching.start(bad, ["products"])
