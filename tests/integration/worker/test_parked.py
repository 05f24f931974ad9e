"""An index that takes no writes: its jobs are parked, all others go on, and they come back in order."""

import asyncio
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import DeleteDocument, IndexDocument, IndexQueue, JobHandle, JobStatus, Outcome

pytestmark = pytest.mark.usefixtures("worker")

SECONDS = 20.0
PARKED = "penstock:arq:queue:parked:"


async def until_parked(redis: Redis, index: str, jobs: int, way: str = "index") -> None:
    """Wait until so many jobs that write to an index in one way are parked."""
    async with asyncio.timeout(SECONDS):
        while await redis.zcard(f"{PARKED}{way}:{index}") < jobs:  # noqa: ASYNC110 - it is Redis that knows
            await asyncio.sleep(0.01)


async def nothing_is_parked(redis: Redis) -> None:
    """Wait until no trace of a parked index is left."""
    async with asyncio.timeout(SECONDS):
        while [key for part in ("parked", "aside") for key in await redis.keys(f"penstock:*{part}*")]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # it is Redis that knows


@pytest.fixture
async def closed(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """An index with a write block."""
    await elasticsearch.indices.create(index=prefix, settings={"index.blocks.write": True})
    return prefix


async def open_again(elasticsearch: AsyncElasticsearch, index: str) -> None:
    await elasticsearch.indices.put_settings(index=index, settings={"index.blocks.write": None})


async def test_its_jobs_wait_and_those_of_others_do_not(
    queue: IndexQueue, redis: Redis, elasticsearch: AsyncElasticsearch, closed: str, report: Any
) -> None:
    waiting = [await queue.index(index=closed, id=f"{n}", document={"n": n}) for n in range(50)]
    await until_parked(redis, closed, 49)  # one may be on its way, as a probe
    others = [await queue.index(index=f"{closed}-2", id=f"{n}", document={"n": n}) for n in range(50)]

    assert {(await report(handle)).outcome for handle in others} == {Outcome.CREATED}
    (parked,) = (await queue.overview()).parked
    assert (parked.name, parked.way, parked.type) == (closed, "index", "cluster_block_exception")
    assert await waiting[1].status() is JobStatus.QUEUED

    await open_again(elasticsearch, closed)

    reports = [await report(handle) for handle in waiting]
    assert {found.outcome for found in reports} == {Outcome.CREATED}
    await nothing_is_parked(redis)


async def test_the_order_of_its_jobs_is_kept(
    queue: IndexQueue, redis: Redis, elasticsearch: AsyncElasticsearch, closed: str, report: Any, source: Any
) -> None:
    first = await queue.index(index=closed, id="1", document={"first": 1})
    await until_parked(redis, closed, 1)
    updates = [await queue.update(index=closed, id="1", doc={f"f{n}": n}) for n in range(20)]
    jobs: list[JobHandle] = [first, *updates, await queue.delete(index=closed, id="2")]
    jobs.append(
        await queue.bulk(
            index=closed,
            actions=[
                IndexDocument(index=closed, id="2", document={"n": 2}),
                DeleteDocument(index=closed, id="3"),
            ],
        )
    )

    await open_again(elasticsearch, closed)

    outcomes = [(await report(job)).outcome for job in jobs]
    assert outcomes == [Outcome.CREATED, *[Outcome.UPDATED] * 20, Outcome.MISSING, None]
    assert await source(closed, "1") == {"first": 1} | {f"f{n}": n for n in range(20)}
    assert await source(closed, "2") == {"n": 2}
    await nothing_is_parked(redis)


async def test_a_full_disk_does_the_same(
    queue: IndexQueue, redis: Redis, elasticsearch: AsyncElasticsearch, prefix: str, report: Any
) -> None:
    block = "index.blocks.read_only_allow_delete"
    await elasticsearch.indices.create(index=prefix, settings={block: True})
    waiting = await queue.index(index=prefix, id="1", document={})
    await until_parked(redis, prefix, 1)

    await elasticsearch.indices.put_settings(index=prefix, settings={block: None})

    assert (await report(waiting)).outcome is Outcome.CREATED
    await nothing_is_parked(redis)


async def test_they_survive_their_worker(
    queue: IndexQueue,
    redis: Redis,
    elasticsearch: AsyncElasticsearch,
    closed: str,
    start_worker: Any,
    report: Any,
) -> None:
    waiting = await queue.index(index=closed, id="1", document={})
    await until_parked(redis, closed, 1)
    another = await start_worker()
    await open_again(elasticsearch, closed)

    assert (await report(waiting)).outcome is Outcome.CREATED
    assert another is not None
    await nothing_is_parked(redis)


async def test_a_missing_alias_parks_only_what_requires_it(
    queue: IndexQueue,
    redis: Redis,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = [
        await queue.index(index=prefix, id=f"w{n}", document={"n": n}, require_alias=True) for n in range(20)
    ]
    await until_parked(redis, prefix, 19, "alias")

    others = [await queue.index(index=prefix, id=f"{n}", document={"n": n}) for n in range(20)]
    others += [await queue.delete(index=prefix, id="gone")]
    assert {(await report(handle)).outcome for handle in others} == {Outcome.CREATED, Outcome.MISSING}

    assert "come back" not in caplog.text, "others say nothing of those"
    (parked,) = (await queue.overview()).parked
    assert (parked.name, parked.way, parked.type) == (prefix, "alias", "index_not_found_exception")
    await elasticsearch.indices.delete(index=prefix)
    await elasticsearch.indices.create(index=f"{prefix}-behind", aliases={prefix: {}})
    assert {(await report(handle)).outcome for handle in waiting} == {Outcome.CREATED}
    await nothing_is_parked(redis)


async def test_a_write_block_parks_every_way_of_writing(
    queue: IndexQueue, redis: Redis, elasticsearch: AsyncElasticsearch, closed: str, report: Any
) -> None:
    deleted = await queue.delete(index=closed, id="1")
    written = await queue.index(index=closed, id="2", document={})
    updated = await queue.update(index=closed, id="3", doc={}, doc_as_upsert=True)
    for way in ("delete", "index", "update"):
        await until_parked(redis, closed, 1, way)

    await open_again(elasticsearch, closed)

    outcomes = [(await report(job)).outcome for job in (deleted, written, updated)]
    assert outcomes == [Outcome.MISSING, Outcome.CREATED, Outcome.CREATED]
    await nothing_is_parked(redis)
