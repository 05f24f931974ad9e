"""A worker stands still with its request on the wire, and goes on after another one has taken over.

Its request arrives late at Elasticsearch while it still sleeps; its answers are read when it wakes.
Nothing may be overwritten or brought back, and each job has one report.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.harness import SHORT_LEASE, Harness
from tests.faults.ledger import Submit
from tests.faults.operations import Kind, Operation
from tests.faults.proxy import Hold, Side, TcpProxy
from tests.processes import WorkerProcess

BEFORE = [Operation(n, document, Kind.INDEX) for n, document in enumerate(("update", "deleted", "shared"))]
# What the sleeper has sent, or is about to send.
ON_THE_WIRE = [
    Operation(10, "write", Kind.INDEX),
    Operation(11, "brought-back", Kind.INDEX),
    Operation(12, "update", Kind.UPDATE),
    Operation(13, "deleted", Kind.DELETE),
    Operation(14, "shared", Kind.UPDATE),
    Operation(15, "upsert", Kind.UPSERT),
]
# What has been done by the time that it wakes.
AFTERWARDS = [
    Operation(20, "write", Kind.INDEX),
    Operation(21, "brought-back", Kind.DELETE),
    Operation(22, "update", Kind.INDEX),
    Operation(23, "deleted", Kind.INDEX),
    Operation(24, "shared", Kind.UPDATE),
    Operation(25, "upsert", Kind.UPDATE),
]


async def sleeper_at(harness: Harness, hold: Hold, redis: TcpProxy, elasticsearch: TcpProxy) -> WorkerProcess:
    """A worker that sleeps where `hold` has caught it, with the operations on the wire."""
    sleeper = harness.fleet.launch(**harness.by_way_of(redis, elasticsearch), **SHORT_LEASE)
    await asyncio.wait_for(hold.caught.wait(), 20)
    await harness.fleet.pause(sleeper)
    return sleeper


async def prepared(harness: Harness) -> list[Submit]:
    """Documents that are there before, written by a worker that has left; then the jobs for the sleeper."""
    before = await harness.producers.submit_all(BEFORE)
    await harness.fleet.start()
    await harness.ended(*before)
    await harness.fleet.stop()
    return await harness.producers.submit_all(ON_THE_WIRE)


@pytest.mark.parametrize("path", ["_bulk", "_mget"])
@pytest.mark.parametrize("side", list(Side))
async def test_a_worker_wakes_after_another_has_taken_over(harness: Harness, side: Side, path: str) -> None:
    redis, elasticsearch = await harness.own_proxies()
    hold = elasticsearch.hold(side, path.encode())
    taken_over = await prepared(harness)
    sleeper = await sleeper_at(harness, hold, redis, elasticsearch)

    await harness.fleet.start(**SHORT_LEASE)
    later = await harness.producers.submit_all(AFTERWARDS)
    await harness.ended(*taken_over, *later)
    answered = elasticsearch.hold(Side.ANSWER, path.encode())
    hold.release()
    if side is Side.REQUEST:  # it arrives now, and is executed before its sender wakes
        await asyncio.wait_for(answered.caught.wait(), 20)
    answered.release()
    harness.fleet.resume(sleeper)
    await sleeper.says("the lease was lost")

    await harness.verdict()
