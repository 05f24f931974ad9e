"""kill -9 of Elasticsearch in the middle of bulk requests, again and again."""

from __future__ import annotations

import asyncio
import random

from tests.faults.harness import Harness
from tests.faults.producers import Load


async def test_elasticsearch_is_killed_under_load(harness: Harness, seed: int, long_version: bool) -> None:
    dice = random.Random(seed)
    load = Load(seed, jobs_a_second=80 if long_version else 40, most_in_a_bulk=10)
    await harness.fleet.start(2)

    async with harness.producers.under(load, documents=400):
        for _ in range(10 if long_version else 1):
            await asyncio.sleep(dice.uniform(0.5, 1.5))  # in the middle of some request, by chance
            await asyncio.to_thread(harness.elasticsearch_server.kill)
            await asyncio.to_thread(harness.elasticsearch_server.start)

    await harness.verdict()
    assert any("are tried again in" in worker.output for worker in harness.fleet.started)
