"""Jobs whose name no worker knows: they wait for one that does, and end as dead letters where none comes."""

from __future__ import annotations

import asyncio

import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis

from jobs import DeadKind, IndexQueue, deserialize, serialize
from tests.faults.facts import leftovers, unfinished
from tests.faults.harness import Harness
from tests.faults.later_functions import RAN
from tests.processes import until

JOBS = 100
LATER = ("-m", "penstock", "worker", "tests.faults.later_functions.WorkerSettings")


@pytest.fixture
async def pool(harness: Harness) -> ArqRedis:
    """A producer that has arq alone, and Penstock's serializer."""
    connection = Redis.from_url(harness.redis_server.url).connection_pool
    return ArqRedis(connection, job_serializer=serialize, job_deserializer=deserialize)


async def nothing_unfinished(redis: Redis) -> bool:
    return await unfinished(redis) == 0


async def stopped_cleanly(harness: Harness) -> None:
    """What `verdict` asks beside the documents: there are none here."""
    await harness.fleet.stop()
    assert set(harness.fleet.stopped) == {0}
    assert [key for key in await leftovers(harness.redis) if key != RAN] == []
    assert harness.fleet.defects() == []


async def test_they_all_run_once_their_worker_has_come(harness: Harness, pool: ArqRedis) -> None:
    # Given jobs that a worker has met which knows no such name
    for number in range(JOBS):
        await pool.enqueue_job("resize", number)
    (stranger,) = await harness.fleet.start(PENSTOCK_PARK_UNKNOWN_SECONDS="600")
    await until(lambda: stranger.output.count("is parked") >= JOBS, 20, lambda: stranger.output)

    # When one that knows it takes its place
    harness.fleet.stopped.append(await stranger.stop())
    harness.fleet.command = LATER
    await harness.fleet.start(PENSTOCK_PARK_UNKNOWN_SECONDS="600")

    # Then each runs once
    await until(lambda: nothing_unfinished(harness.redis), 60, harness.fleet.logs)
    runs = await harness.redis.hgetall(RAN)
    assert runs == {f"{number}".encode(): b"1" for number in range(JOBS)}
    await stopped_cleanly(harness)
    await pool.aclose(close_connection_pool=True)


async def test_one_that_nobody_knows_ends_as_a_dead_letter(harness: Harness, pool: ArqRedis) -> None:
    patience = 2
    harness.fleet.command = LATER
    await harness.fleet.start(PENSTOCK_PARK_UNKNOWN_SECONDS=f"{patience}")
    began = asyncio.get_running_loop().time()
    job = await pool.enqueue_job("nobody_knows", 1)
    known = await pool.enqueue_job("resize", 1)
    assert job is not None
    assert known is not None

    await until(lambda: nothing_unfinished(harness.redis), 30, harness.fleet.logs)

    assert asyncio.get_running_loop().time() - began >= patience
    async with IndexQueue(harness.redis_server.url) as queue:
        (letter,) = await queue.dead_letters.list()
    assert (letter.id, letter.kind, letter.name) == (job.job_id, DeadKind.UNKNOWN, "nobody_knows")
    assert await known.result(timeout=5) == 1
    await stopped_cleanly(harness)
    await pool.aclose(close_connection_pool=True)
