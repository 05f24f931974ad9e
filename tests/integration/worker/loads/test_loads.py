"""`load` jobs on the real servers: read together, in order, and truthfully reported."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import (
    DeleteDocument,
    IndexDocument,
    IndexQueue,
    JobHandle,
    Report,
    UpdateDocument,
)
from settings import Settings
from tests.integration.worker.conftest import SECONDS
from tests.integration.worker.loads.conftest import LOADED, at_work, load, reports
from tests.sources import Rows

Reporting = Callable[[JobHandle], Awaitable[Report]]


async def test_a_load_writes_what_is_there_and_deletes_what_is_gone(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, source: Any
) -> None:
    rows.rows = {"1": {"n": 1}, "2": {"n": 2, "text": "ü"}, "3": None}
    rows.routing = {"2": "r", "3": "r"}
    async with at_work(reading):
        await queue.index(index=prefix, id="gone", document={"n": 0})
        await queue.index(index=prefix, id="3", document={"n": 0}, routing="r")

        (report,) = await reports(queue, [load("1", "2", "gone", "3", "never")])

    assert report.counts == {"created": 2, "deleted": 2, "missing": 1}
    assert (report.index, report.outcome, report.failed) == (prefix, None, False)
    assert await source(prefix, "1") == {"n": 1}
    assert await source(prefix, "2", routing="r") == {"n": 2, "text": "ü"}
    assert await source(prefix, "gone") is None
    assert await source(prefix, "3", routing="r") is None


async def test_a_thousand_loads_of_a_hundred_ids_read_the_source_a_handful_of_times(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, elasticsearch: Any
) -> None:
    rows.rows = {str(n): {"n": n} for n in range(100)}
    handles = await queue.enqueue_many([load(str(n % 100)) for n in range(1000)])
    async with at_work(reading):
        ended = await asyncio.gather(*(handle.result(timeout=SECONDS) for handle in handles))

    assert len(rows.calls) <= 12, [len(ids) for ids in rows.calls]
    assert all(sum(report.counts.values()) == 1 for report in ended)
    assert {outcome for report in ended for outcome in report.counts} <= {"created", "updated", "superseded"}
    await elasticsearch.indices.refresh(index=prefix)
    assert (await elasticsearch.count(index=prefix))["count"] == 100


NEWER = {"from": "job"}


@pytest.mark.parametrize(
    ("later", "left"),
    [
        (lambda i: IndexDocument(index=i, id="1", document=NEWER), NEWER),
        (lambda i: UpdateDocument(index=i, id="1", doc={"m": 2}), LOADED | {"m": 2}),
        (lambda i: DeleteDocument(index=i, id="1"), None),
    ],
)
async def test_a_slow_read_never_overwrites_what_came_after_it(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, source: Any, later: Any, left: Any
) -> None:
    rows.rows = {"1": LOADED}
    async with at_work(reading, reading):
        # Given a document, and a load of it that is slow to read
        await reports(queue, [IndexDocument(index=prefix, id="1", document={"old": True})])
        with rows.held():
            slow = await queue.enqueue(load("1"))
            await rows.called.wait()

            # When a later job on it is enqueued while it reads, and one on another document has ended
            newer = await queue.enqueue(later(prefix))
            await reports(queue, [IndexDocument(index=prefix, id="2", document={})])

        # Then the outcome is that of the order of the jobs
        await slow.result(timeout=SECONDS)
        await newer.result(timeout=SECONDS)
    assert await source(prefix, "1") == left


async def test_loads_around_other_jobs_are_read_one_by_one(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, source: Any
) -> None:
    rows.rows = {"1": LOADED}
    # A load is enqueued when a worker sees it: the update must come after that.
    async with at_work(reading):
        with rows.held():
            first = await queue.enqueue(load("1"))
            await rows.called.wait()
            between = await queue.enqueue(UpdateDocument(index=prefix, id="1", doc={"m": 2}))
            last = await queue.enqueue_many([load("1"), load("1")])
        ended = [await handle.result(timeout=SECONDS) for handle in (first, between, *last)]

    assert [report.counts or report.outcome for report in ended] == [
        {"created": 1}, "updated", {"superseded": 1}, {"updated": 1}
    ]  # fmt: skip
    assert rows.calls == [["1"], ["1"]]
    assert await source(prefix, "1") == LOADED


async def test_an_id_that_can_not_be_read_fails_alone(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, failure: Any
) -> None:
    rows.rows = {str(n): {"n": n} for n in range(50)}

    def answer(ids: Sequence[str], found: list[Any]) -> list[Any]:
        if "7" in ids:
            raise RuntimeError("row 7 is damaged")
        return found

    rows.answer = answer
    async with at_work(reading):
        healthy = await queue.enqueue_many([load(str(n)) for n in range(50) if n != 7])
        poisoned = await queue.enqueue(load("7", "8"))

        report = await failure(poisoned)
        await asyncio.gather(*(handle.result(timeout=SECONDS) for handle in healthy))

    assert sum(report.counts.values()) == 2
    assert report.counts["rejected"] == 1
    (rejection,) = report.rejected
    assert (rejection.type, rejection.reason) == ("source_failed", "RuntimeError: row 7 is damaged")
    assert (rejection.index, rejection.id, rejection.position) == (prefix, "7", 0)
    (letter,) = await queue.dead_letters.list()
    assert letter.name == "load"


async def test_a_dead_load_is_retried_with_the_ids_that_failed(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, failure: Any, source: Any
) -> None:
    rows.rows = {"1": {"n": 1}, "2": {"n": {1, 2}}}
    async with at_work(reading):
        report = await failure(await queue.enqueue(load("1", "2")))
        (rejection,) = report.rejected
        assert (rejection.type, rejection.id) == ("bad_record", "2")

        rows.rows["2"] = {"n": [1, 2]}
        (letter,) = await queue.dead_letters.list()
        retries = await queue.dead_letters.retry([letter.id])
        report = await retries.jobs[letter.id].result(timeout=SECONDS)

    assert (report.counts, report.retry_of) == ({"created": 1}, letter.id)
    assert rows.calls[-1] == ["2"]
    assert await source(prefix, "2") == {"n": [1, 2]}


async def test_an_outage_of_the_source_fails_nothing(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, source: Any
) -> None:
    rows.rows = {str(n): {"n": n} for n in range(20)}
    tried = asyncio.Event()

    def answer(ids: Sequence[str], found: list[Any]) -> list[Any]:
        if len(rows.calls) > 6:
            tried.set()
        raise ConnectionError("the database is away")

    rows.answer = answer
    async with at_work(reading.model_copy(update={"retry_max_seconds": 0.1})):
        handles = await queue.enqueue_many([load(str(n)) for n in range(20)])
        async with asyncio.timeout(SECONDS):
            await tried.wait()
        rows.answer = None
        ended = await asyncio.gather(*(handle.result(timeout=SECONDS) for handle in handles))

    assert {outcome for report in ended for outcome in report.counts} == {"created"}
    assert await queue.dead_letters.count() == 0
    assert await source(prefix, "19") == {"n": 19}


async def test_a_worker_that_is_stopped_in_a_read_leaves_nothing_claimed(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, source: Any, redis: Redis
) -> None:
    rows.rows = {"1": LOADED}
    with rows.held():
        async with at_work(reading):
            handle = await queue.enqueue(load("1"))
            async with asyncio.timeout(SECONDS):
                await rows.called.wait()
        assert await redis.keys("arq:in-progress:*") == []
        assert await redis.zscore("arq:queue", handle.id) < 1e13
        assert [key async for key in redis.scan_iter("penstock:*:claimed:*")] == []
    async with at_work(reading):
        assert (await handle.result(timeout=SECONDS)).counts == {"created": 1}
    assert await source(prefix, "1") == LOADED


async def test_two_workers_load_each_document_once_at_a_time(
    reading: Settings, queue: IndexQueue, rows: Rows, prefix: str, elasticsearch: Any
) -> None:
    rows.rows = {str(n): {"n": n} for n in range(40)}
    handles = await queue.enqueue_many([load(str(n % 40), str((n * 7) % 40)) for n in range(400)])
    async with at_work(reading, reading):
        ended = await asyncio.gather(*(handle.result(timeout=SECONDS) for handle in handles))

    assert all(sum(report.counts.values()) == 2 for report in ended)
    await elasticsearch.indices.refresh(index=prefix)
    found = await elasticsearch.search(index=prefix, size=100)
    assert {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]} == rows.rows
