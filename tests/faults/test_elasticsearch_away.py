"""Elasticsearch can't be reached: each process asks once a second, and goes on when it is back."""

from __future__ import annotations

import asyncio

from jobs import JobHandle, keys
from tests.faults.harness import Harness
from tests.faults.ledger import Submit
from tests.faults.operations import shuffled
from tests.faults.proxy import TcpProxy

RESUMED_SECONDS = 5.0
# Before the breaker has opened, and after it has closed.
MOST_ATTEMPTS = 4


async def nobody_listens(proxy: TcpProxy) -> None:
    """From now on each connection is accepted, counted, and ends at once."""
    proxy.upstream = 1
    await proxy.drop()


def requests(proxy: TcpProxy, begin: float, end: float) -> int:
    """The requests of one process in a span of time; while nobody listens each takes a connection."""
    return sum(begin <= moment <= end for moment in proxy.accepted)


async def attempts(harness: Harness, submits: list[Submit]) -> list[int]:
    """How many requests carried each job."""
    handles = [JobHandle(submit.job_id or "", harness.redis, keys.DEFAULT_QUEUE) for submit in submits]
    reports = [await handle.report() for handle in handles]
    return [report.attempts for report in reports if report]


async def test_one_probe_a_second_and_back_at_work_within_five(
    harness: Harness, seed: int, long_version: bool
) -> None:
    # Given two workers at work, each by a way of its own
    clock = asyncio.get_running_loop().time
    ways = [await harness.own_proxies() for _ in range(2)]
    workers = [harness.fleet.launch(**harness.by_way_of(*way)) for way in ways]
    await harness.fleet.at_work()
    await harness.ended(*await harness.producers.submit_all(shuffled(seed, documents=40, operations=100)))

    # When Elasticsearch can't be reached, and jobs go on coming
    for _, elasticsearch in ways:
        await nobody_listens(elasticsearch)
    later = shuffled(seed + 1, documents=40, operations=400, first=100)
    waiting = await harness.producers.submit_all(later[:200])
    for worker in workers:
        await worker.says("Elasticsearch is away")
    away = clock()
    unclaimed = await harness.producers.submit_all(later[200:])
    await asyncio.sleep(180 if long_version else 4)  # the outage itself
    back = clock()
    assert await harness.redis.keys(keys.RETRY_PREFIX + "*") == [], "no job is on its second try"
    for _, elasticsearch in ways:
        elasticsearch.upstream = harness.elasticsearch_server.port

    # Then it was asked once a second by each, all go on, and no job has failed for it
    for worker in workers:
        await worker.says("Elasticsearch is back after", RESUMED_SECONDS)
    assert clock() - back <= RESUMED_SECONDS
    for _, elasticsearch in ways:
        assert 2 <= requests(elasticsearch, away + 1.0, back) <= (back - away - 1.0) + 1
    await harness.ended(*waiting, *unclaimed)
    assert await harness.redis.keys(keys.RETRY_PREFIX + "*") == []
    assert max(await attempts(harness, unclaimed)) == 1, "what waited in Redis was sent once"
    assert max(await attempts(harness, waiting)) <= MOST_ATTEMPTS + (back - away), "as a probe each second"
    await harness.verdict()
