"""A job that kills every process that reads it, among sixty others: it ends alone, as a dead letter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jobs import DeadKind, IndexQueue
from tests.faults.deadly_document import DEADLY
from tests.faults.harness import SHORT_LEASE, Harness
from tests.faults.operations import Kind, Operation, shuffled
from tests.faults.seeds import SEEDS
from tests.processes import until

OTHERS = 60
WORKERS = 3
# How often somebody else kills workers: twice, or a number of times and also never.
KILLS = (0, 6) if SEEDS > 1 else (2,)
KILL_EVERY_SECONDS = 5.0 if SEEDS > 1 else 1.5


@asynccontextmanager
async def replaced(harness: Harness) -> AsyncIterator[None]:
    """For as long as the block runs, a worker that has died is followed by another."""

    async def replace() -> None:
        while True:
            while len(harness.fleet.alive) < WORKERS:
                harness.fleet.launch(**SHORT_LEASE)
            await asyncio.sleep(0.05)

    replacing = asyncio.create_task(replace())
    try:
        yield
    finally:
        replacing.cancel()


@pytest.mark.parametrize("kills", KILLS)
async def test_a_job_that_kills_its_process_ends_alone(harness: Harness, seed: int, kills: int) -> None:
    # Given
    dice = random.Random(seed)
    others = shuffled(seed, documents=25, operations=OTHERS)
    deadly = Operation(OTHERS, "deadly", Kind.INDEX, filler=DEADLY, doomed=True)
    behind_it = Operation(OTHERS + 1, "deadly", Kind.UPSERT)
    place = dice.randrange(OTHERS)
    harness.fleet.command = ("-m", "tests.faults.deadly_document", "worker")

    # When
    submits = await harness.producers.submit_all([*others[:place], deadly, *others[place:], behind_it])
    async with replaced(harness):
        for _ in range(kills):
            await asyncio.sleep(dice.uniform(0.5, 1.0) * KILL_EVERY_SECONDS)  # at any moment, by chance
            await until(lambda: harness.fleet.alive, 5, lambda: "no worker is alive")
            harness.fleet.kill(dice.choice(harness.fleet.alive))
        await harness.ended(*submits, seconds=60)

    # Then
    async with IndexQueue(harness.redis_server.url) as queue:
        crashers = await queue.dead_letters.list(kind=DeadKind.CRASHER)
    assert [letter.report.rejected[0].type for letter in crashers] == ["crashed_workers"]
    assert [letter.name for letter in crashers] == ["index"], "seen without its document being read"
    await harness.verdict()
