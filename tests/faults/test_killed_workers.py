"""kill -9 of workers: at random under load, and at the four points where a job is in nobody's hands."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.faults.facts import documents
from tests.faults.harness import SHORT_LEASE, Harness
from tests.faults.operations import Content, Kind, Operation
from tests.faults.producers import Load
from tests.faults.proxy import Hold, Side, TcpProxy
from tests.faults.scripts import CLAIM, FINISH
from tests.processes import until
from worker.scripts import script

# Every kind, so that a second run of any of them would show.
SEVERAL_EACH = [
    *(Operation(10 + n, "a", kind) for n, kind in enumerate((Kind.CREATE, Kind.UPDATE, Kind.UPSERT))),
    *(Operation(20 + n, "b", kind) for n, kind in enumerate((Kind.INDEX, Kind.UPDATE, Kind.UPDATE))),
    *(Operation(30 + n, "c", kind) for n, kind in enumerate((Kind.INDEX, Kind.UPSERT, Kind.DELETE))),
    *(Operation(40 + n, "d", kind) for n, kind in enumerate((Kind.UPSERT, Kind.DELETE, Kind.CREATE))),
    *(Operation(50 + n, "e", kind) for n, kind in enumerate((Kind.UPDATE, Kind.DELETE, Kind.UPSERT))),
]
# Their second run finds a later operation's work, and none of their own.
OVERTAKEN = [
    *(Operation(60 + n, "f", kind) for n, kind in enumerate((Kind.INDEX, Kind.UPDATE, Kind.DELETE))),
    *(Operation(70 + n, "g", kind) for n, kind in enumerate((Kind.CREATE, Kind.INDEX))),
]
POINTS = ("claimed", "sent", "answered", "read")
REDELIVERY_SECONDS = 15.0


def hold_at(point: str, redis: TcpProxy, elasticsearch: TcpProxy) -> Hold:
    """Where a worker's progress is held up, so that it can be killed there."""
    match point:
        case "claimed":
            return redis.hold(Side.ANSWER, CLAIM)
        case "sent":
            return elasticsearch.hold(Side.REQUEST, b"_bulk")
        case "answered":
            return elasticsearch.hold(Side.ANSWER, b"_bulk")
        case _:
            return redis.hold(Side.REQUEST, FINISH)


def final(operations: list[Operation]) -> dict[str, Content]:
    """What the documents hold in the end, those that exist."""
    contents: dict[str, Content] = {}
    for operation in operations:
        contents[operation.document], _ = operation.applied_to(contents.get(operation.document))
    return {document: content for document, content in contents.items() if content is not None}


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_is_killed_where_its_jobs_are_in_nobodys_hands(harness: Harness, point: str) -> None:
    redis, elasticsearch = await harness.own_proxies()
    await harness.redis.script_load(script("claim"))
    hold = hold_at(point, redis, elasticsearch)
    submits = await harness.producers.submit_all(SEVERAL_EACH)
    victim = harness.fleet.launch(**harness.by_way_of(redis, elasticsearch), **SHORT_LEASE)
    await asyncio.wait_for(hold.caught.wait(), 20)

    harness.fleet.kill(victim)
    await harness.fleet.start(**SHORT_LEASE)
    await harness.ended(*submits)
    hold.release()  # only now does the dead worker's last message arrive

    await harness.verdict()


async def test_a_worker_is_killed_when_all_is_written_and_nothing_is_reported(harness: Harness) -> None:
    operations = [*SEVERAL_EACH, *OVERTAKEN]
    redis, elasticsearch = await harness.own_proxies()
    hold_at("read", redis, elasticsearch)
    submits = await harness.producers.submit_all(operations)
    victim = harness.fleet.launch(**harness.by_way_of(redis, elasticsearch), **SHORT_LEASE)

    async def all_written() -> bool:
        return await documents(harness.elasticsearch, harness.index) == final(operations)

    await until(all_written, 20, lambda: f"not all is written\n{victim.output}")
    harness.fleet.kill(victim)
    await harness.fleet.start(**SHORT_LEASE)
    await harness.ended(*submits)

    await harness.verdict()


async def test_a_killed_workers_jobs_run_again_within_fifteen_seconds(harness: Harness) -> None:
    redis, elasticsearch = await harness.own_proxies()
    hold = elasticsearch.hold(Side.REQUEST, b"_bulk")
    submits = await harness.producers.submit_all(SEVERAL_EACH)
    victim = harness.fleet.launch(**harness.by_way_of(redis, elasticsearch), PENSTOCK_LEASE_SECONDS="10")
    await asyncio.wait_for(hold.caught.wait(), 20)
    await harness.fleet.start(PENSTOCK_LEASE_SECONDS="10")

    harness.fleet.kill(victim)
    killed = time.monotonic()
    await harness.ended(*submits)

    assert time.monotonic() - killed <= REDELIVERY_SECONDS
    await harness.verdict()


async def test_three_workers_are_killed_at_random_under_load(
    harness: Harness, seed: int, long_version: bool
) -> None:
    # For a minute a kill every 5 s, or a few seconds of the same
    kills, pause = (12, 5.0) if long_version else (2, 1.5)
    dice = random.Random(seed)
    await harness.fleet.start(3)

    async with harness.producers.under(Load(seed, jobs_a_second=150, most_in_a_bulk=20), documents=300):
        for _ in range(kills):
            await asyncio.sleep(dice.uniform(0.5, 1.0) * pause)  # at any moment, by chance
            harness.fleet.kill(dice.choice(harness.fleet.alive))
            harness.fleet.launch()

    await harness.verdict()
