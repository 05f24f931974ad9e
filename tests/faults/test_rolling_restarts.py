"""Workers are told to stop and replaced, one after the other, under load: no job notices."""

from __future__ import annotations

import random

from tests.faults.harness import Harness
from tests.faults.producers import Load


async def test_workers_are_replaced_one_after_the_other(
    harness: Harness, seed: int, long_version: bool
) -> None:
    dice = random.Random(seed)
    await harness.fleet.start(3 if long_version else 2)

    async with harness.producers.under(Load(seed, jobs_a_second=150, most_in_a_bulk=20), documents=300):
        for _ in range(10 if long_version else 2):
            leaving = dice.choice(harness.fleet.alive)
            await harness.fleet.start()
            harness.fleet.stopped.append(await leaving.stop())

    # Nothing ran twice: a worker that leaves has reported what it wrote.
    await harness.verdict(repeats=False)
