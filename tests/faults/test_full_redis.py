"""A Redis that has no memory left: producers are told so, and workers drain it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest

from jobs import IndexQueue, keys, serialize
from tests.faults.harness import Harness
from tests.faults.ledger import State, Submit
from tests.faults.operations import Kind, Operation, shuffled
from tests.faults.proxy import Side
from tests.processes import until

ROOM_BYTES = 1_000_000
SMALL = 200
PARKED = 200


async def limit(harness: Harness, more: int) -> None:
    """From now on Redis has room for so many bytes more; 0 or less: for none."""
    used = int((await harness.redis.info("memory"))["used_memory"])
    await harness.redis.config_set("maxmemory", str(used + more))
    await harness.redis.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
async def heedless(harness: Harness) -> AsyncIterator[IndexQueue]:
    """A producer that goes on until Redis itself refuses."""
    async with IndexQueue(harness.redis_server.url, refuse_above=1.0) as queue:
        yield queue


async def filled(harness: Harness, queue: IndexQueue | None = None, *, bytes_each: int = 5_000) -> int:
    """Submit until no more is taken; how many jobs were."""
    for number in itertools.count(10_000):
        operation = Operation(number, f"large{number % 40}", Kind.INDEX, filler="f" * bytes_each)
        submit = await harness.producers.submit(operation, persistent=False, queue=queue)
        assert submit.state is not State.UNKNOWN, "a full Redis says so"
        if submit.state is State.FAILED:
            return number - 10_000
    raise AssertionError("itertools.count ends")


async def by_plain_arq(harness: Harness, operations: list[Operation]) -> None:
    """As arq's own client stores jobs: without a number, which a worker gives them."""
    for operation in operations:
        action = operation.action(harness.index)
        job_id, now = f"plain-{operation.number}", time.time() * 1000
        members = {"f": action.job, "a": (), "k": action.arguments(), "t": None, "et": int(now)}
        await harness.redis.set(keys.JOB_PREFIX + job_id, serialize(members))
        await harness.redis.zadd(keys.DEFAULT_QUEUE, {job_id: now})
        harness.ledger.enter(Submit((operation,), State.OK, job_id))


async def test_workers_drain_a_full_redis_whoever_dies_and_comes(
    harness: Harness, heedless: IndexQueue, seed: int
) -> None:
    # Given two workers that hold jobs, and a Redis that is filled up meanwhile
    hold = harness.elasticsearch_proxy.hold(Side.REQUEST, b"_bulk")
    await harness.producers.submit_together(shuffled(seed, documents=40, operations=SMALL))
    victim, _ = await harness.fleet.start(2)
    await asyncio.wait_for(hold.caught.wait(), 20)
    await limit(harness, ROOM_BYTES)
    assert await filled(harness, heedless) > 50

    # When one of them is killed, and another one starts
    harness.fleet.kill(victim)
    await harness.fleet.start()
    hold.release()

    # Then all is drained, with no more memory than before, and there is room again
    await harness.settled()
    submit = await harness.producers.submit(Operation(1, "afterwards", Kind.INDEX), queue=heedless)
    await harness.ended(submit)
    await harness.verdict()


async def test_producers_stop_at_the_mark_where_all_others_still_have_room(
    harness: Harness, seed: int
) -> None:
    # Given a Redis of which four fifths are in use, and no worker
    await harness.redis.setrange("ballast", 8_000_000, b"x")
    used = int((await harness.redis.info("memory"))["used_memory"])
    await harness.redis.config_set("maxmemory", str(int(used / 0.8)))

    # When producers go on until they are told to stop
    assert await filled(harness) > 50

    # Then Redis takes what others write, and new jobs when workers have made room
    await harness.redis.set("of-others", bytes(100_000))
    await harness.fleet.start()
    submit = await harness.producers.submit(Operation(1, "afterwards", Kind.INDEX))
    await harness.ended(submit)
    await harness.redis.delete("ballast", "of-others")
    await harness.verdict()


async def test_jobs_by_plain_arq_are_drained_as_well(harness: Harness, seed: int) -> None:
    # Given a queue of nothing else, in a Redis that takes nothing more
    writes = [Operation(n, f"d{n}", Kind.INDEX) for n in range(50)]
    await by_plain_arq(harness, writes)
    await limit(harness, -1)

    await harness.fleet.start()

    await harness.verdict()


async def test_parked_jobs_come_back_to_a_full_redis(harness: Harness, seed: int) -> None:
    # Given a queue of nothing but jobs on an index that takes no writes
    block = "index.blocks.write"
    await harness.elasticsearch.indices.put_settings(index=harness.index, settings={block: True})
    submits = await harness.producers.submit_together(shuffled(seed, documents=40, operations=PARKED))
    (worker,) = await harness.fleet.start()
    parked = f"{keys.parked_prefix(keys.DEFAULT_QUEUE)}index:{harness.index}"
    await until(lambda: harness.redis.zcard(parked), 20, lambda: f"nothing is parked\n{worker.output}")
    await limit(harness, -1)

    # When it takes writes again, and its worker has been replaced
    harness.fleet.stopped.append(await worker.stop())
    await harness.elasticsearch.indices.put_settings(index=harness.index, settings={block: None})
    await harness.fleet.start()

    # Then they come back all together, not one with each probe
    await harness.ended(*submits, seconds=PARKED / 10)
    await harness.verdict()
