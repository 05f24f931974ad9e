"""Redis killed and paused under load, and its connections cut at every k-th message of each script."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.faults.harness import Harness
from tests.faults.operations import shuffled
from tests.faults.producers import Load
from tests.faults.proxy import HOST, Side
from tests.faults.scripts import CLAIM, ENQUEUE, FINISH


async def test_redis_is_killed_under_load_and_started_again(
    harness: Harness, seed: int, long_version: bool
) -> None:
    dice = random.Random(seed)
    load = Load(seed, jobs_a_second=300, most_in_a_bulk=10, persistent=0.8)
    await harness.fleet.start(2)

    async with harness.producers.under(load, documents=200):
        for _ in range(10 if long_version else 3):
            await asyncio.sleep(dice.uniform(0.3, 1.0))  # at any moment of a claim or a finish, by chance
            await asyncio.to_thread(harness.redis_server.kill)
            await asyncio.to_thread(harness.redis_server.start)

    await harness.verdict()


async def test_redis_stands_still_under_load(harness: Harness, seed: int, long_version: bool) -> None:
    load = Load(seed, jobs_a_second=300, most_in_a_bulk=10, persistent=0.9)
    await harness.fleet.start(2)

    async with harness.producers.under(load, documents=200):
        await asyncio.sleep(1)  # under way
        await asyncio.to_thread(harness.redis_server.pause)
        await asyncio.sleep(30 if long_version else 3.5)  # the outage: longer than a lease
        await asyncio.to_thread(harness.redis_server.resume)

    await harness.verdict()


async def test_redis_takes_no_writes_for_a_while(harness: Harness, seed: int, long_version: bool) -> None:
    load = Load(seed, jobs_a_second=300, most_in_a_bulk=10, persistent=0.9)
    await harness.fleet.start(2)

    # As after a failover that its clients have not followed: it answers READONLY
    async with harness.producers.under(load, documents=200):
        for _ in range(5 if long_version else 1):
            await asyncio.sleep(0.5)  # under way
            await harness.redis.replicaof(HOST, 1)
            await asyncio.sleep(5 if long_version else 1)  # the outage
            await harness.redis.replicaof("NO", "ONE")

    await harness.verdict()
    assert any("read only" in worker.output for worker in harness.fleet.started)


@pytest.mark.parametrize("side", list(Side))
async def test_connections_are_cut_at_every_kth_message(
    harness: Harness, seed: int, long_version: bool, side: Side
) -> None:
    # Given producers that go through the same proxy, each the other way to lose a message
    every, number = 2 + seed % 4, 1_500 if long_version else 150
    producers = harness.producers_by_way_of(harness.redis_proxy)
    await harness.fleet.start(2)

    # When every k-th of them is lost, and the producers repeat what failed until they know
    for turn, marker in enumerate((ENQUEUE, CLAIM, FINISH)):
        operations = shuffled(seed + turn, documents=50, operations=number, first=turn * number)
        with harness.redis_proxy.cutting(every, side, marker) as cut:
            await producers.run(operations, Load(seed, jobs_a_second=400))
            await harness.settled()
        assert cut.cuts > 5

    # Then
    await harness.verdict()
