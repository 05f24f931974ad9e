"""A load whose source a worker does not know waits for one that does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from jobs import (
    IndexQueue,
    JobHandle,
    LoadDocuments,
    Report,
    UpdateDocument,
    keys,
)
from settings import Settings
from tests.integration.worker.conftest import SECONDS
from tests.integration.worker.loads.conftest import LOADED, at_work, load
from tests.sources import Rows

Reporting = Callable[[JobHandle], Awaitable[Report]]


async def test_a_load_waits_for_a_worker_that_has_its_source(
    settings: Settings, reading: Settings, queue: IndexQueue, rows: Rows, pool: Any, redis: Redis
) -> None:
    rows.rows = {"1": {"n": 1}}
    job = await pool.enqueue_job("load", source="rows", ids=["1"])
    handle = queue.job(job.job_id)
    async with at_work(settings):
        # Given a worker without the source, that has put the job off
        async with asyncio.timeout(SECONDS):
            while (score := await redis.zscore("arq:queue", handle.id)) < await _now(redis):
                assert score is not None
                await asyncio.sleep(0.01)
        assert await redis.ttl(f"arq:job:{handle.id}") == -1

        # When one with it comes
        async with at_work(reading):
            report = await handle.result(timeout=SECONDS)

    assert report.counts == {"created": 1}


async def _now(redis: Redis) -> float:
    seconds, microseconds = await redis.time()
    return float(seconds * 1000 + microseconds / 1000)


async def test_an_unknown_source_is_a_dead_letter_in_the_end(
    reading: Settings, queue: IndexQueue, failure: Any
) -> None:
    async with at_work(reading.model_copy(update={"park_unknown_seconds": 0})):
        report = await failure(await queue.enqueue(LoadDocuments(source="row", ids=["1"])))

    (rejection,) = report.rejected
    assert rejection.type == "unknown_source"
    assert rejection.reason == "no worker had a source 'row' to read it from; this one knows rows"
    (letter,) = await queue.dead_letters.list()
    assert str(letter.kind) == "unknown"


async def test_an_admitted_load_waits_aside_where_its_source_is_not_known(
    settings: Settings,
    reading: Settings,
    queue: IndexQueue,
    rows: Rows,
    prefix: str,
    source: Any,
    redis: Redis,
) -> None:
    rows.rows = {str(n): LOADED for n in range(1, 6)}
    # Given loads that have their numbers, given back by a worker that was stopped while it read
    with rows.held():
        async with at_work(reading):
            handle, *others = await queue.enqueue_many([load(str(n)) for n in range(1, 6)])
            async with asyncio.timeout(SECONDS):
                await rows.called.wait()
                while (await queue.overview()).workers[0].claimed != 5:  # noqa: ASYNC110 - as below
                    await asyncio.sleep(0.01)
    # When a worker without the source meets them, and a later update of a document
    later = await queue.enqueue(UpdateDocument(index=prefix, id="1", doc={"m": 2}))
    async with at_work(settings):
        async with asyncio.timeout(SECONDS):
            parked = keys.parked_prefix("arq:queue") + "source:rows"
            while await redis.zcard(parked) < 4:  # noqa: ASYNC110 - Redis has no event for it
                await asyncio.sleep(0.01)
        # (one may be on its way, as a probe)
        (index,) = (await queue.overview()).parked
        assert (index.way, index.name, index.type) == ("source", "rows", "unknown_source")
        # Then all wait until one with it comes
        async with at_work(reading):
            assert (await handle.result(timeout=SECONDS)).counts == {"created": 1}
            await later.result(timeout=SECONDS)
            for other in others:
                assert (await other.result(timeout=SECONDS)).counts == {"created": 1}
    assert await source(prefix, "1") == LOADED | {"m": 2}
