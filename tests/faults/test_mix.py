"""Everything at random at once: few documents, many operations, several producers and workers, by seed."""

from __future__ import annotations

import asyncio

from tests.faults.harness import Harness
from tests.faults.injuries import QUICK, Injuries, Injury
from tests.faults.operations import shuffled
from tests.faults.producers import Load


async def test_the_final_state_is_the_models_whatever_happens(
    harness: Harness, seed: int, long_version: bool
) -> None:
    documents, number, rate = (1_000, 20_000, 60) if long_version else (100, 700, 50)
    operations = shuffled(seed, documents=documents, operations=number)
    load = Load(seed, jobs_a_second=rate, producers=4, most_in_a_bulk=20, persistent=0.97)
    stand_in = await harness.stand_in()
    producers = harness.producers_by_way_of(harness.redis_proxy)
    await harness.fleet.start(4 if long_version else 3)
    work = asyncio.create_task(producers.run(operations, load))

    injuries = Injuries(harness, stand_in, seed, most_seconds=4.0 if long_version else 1.0)
    suffered = await injuries.rain(list(Injury) if long_version else QUICK, work)
    await work

    print(f"seed {seed}: {[injury.name for injury in suffered]}")
    await harness.verdict(seconds=180)
