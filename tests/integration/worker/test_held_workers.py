"""Workers before a held index: they give back what they have, and go on at once when the hold is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, JobHandle, Outcome, keys
from settings import Settings, load
from tests.faults.proxy import HOST
from tests.faults.standin import StandIn, Wrong
from tests.integration.worker.conftest import running
from worker.process import PenstockWorker
from worker.reindexing.hold import Hold

SECONDS = 10.0


@asynccontextmanager
async def standing_in(elasticsearch_url: str, redis_url: str) -> AsyncIterator[tuple[StandIn, Settings]]:
    """A stand-in for Elasticsearch, and the settings of a worker that talks to it."""
    stand_in = StandIn(urlsplit(elasticsearch_url).port or 9200)
    await stand_in.listen()
    url = f"http://{HOST}:{stand_in.port}"
    yield stand_in, load({"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_ELASTICSEARCH_URL": url})
    await stand_in.close()


async def test_workers_go_on_at_once_when_the_hold_is_over(
    queue: IndexQueue, redis: Redis, start_worker: Any, prefix: str, report: Any
) -> None:
    await start_worker()
    await start_worker()
    writes = [IndexDocument(index=prefix, id=f"{n % 50}", document={"n": n}) for n in range(500)]
    await report(await queue.index(index=f"{prefix}-2", id="0", document={}))
    async with Hold(redis, "r1", [prefix]) as hold:
        assert await hold.quiet(SECONDS)
        handles = await queue.enqueue_many(writes)
        others: list[JobHandle] = [await queue.index(index=f"{prefix}-2", id="1", document={})]
        assert (await report(others[0])).outcome is Outcome.CREATED
        assert await hold.quiet(0.0)
        assert not await redis.exists(*[keys.RESULT_PREFIX + handle.id for handle in handles])

    reports = await asyncio.gather(*[report(handle) for handle in handles])
    assert {found.outcome for found in reports} <= {Outcome.CREATED, Outcome.UPDATED, Outcome.SUPERSEDED}
    assert not await redis.keys("penstock:*held*")


async def test_what_sleeps_in_a_worker_before_another_try_goes_back(
    queue: IndexQueue, redis: Redis, redis_url: str, servers: Any, prefix: str, report: Any, source: Any
) -> None:
    elsewhere = standing_in(servers.elasticsearch_url, redis_url)
    async with elsewhere as (stand_in, settings), running(PenstockWorker(settings)):
        stand_in.wrong = lambda body: Wrong.ITEMS_THROTTLED  # every third, beginning with the first
        first = await queue.index(index=prefix, id="1", document={"first": 1})
        while len(stand_in.happened) < 1:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        updates = [await queue.update(index=prefix, id="1", doc={f"f{n}": n}) for n in range(5)]

        async with Hold(redis, "r1", [prefix]) as hold:
            assert await hold.quiet(SECONDS)
            assert not await redis.exists(*[keys.RESULT_PREFIX + one.id for one in (first, *updates)])
            stand_in.wrong = lambda body: None

        assert (await report(first)).outcome is Outcome.CREATED
        assert {(await report(handle)).outcome for handle in updates} == {Outcome.UPDATED}
        assert await source(prefix, "1") == {"first": 1} | {f"f{n}": n for n in range(5)}
        assert not await redis.keys("penstock:*parked*")
