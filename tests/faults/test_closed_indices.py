"""One index takes no writes, refuses documents, or goes: nothing is lost, and another does not notice."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from jobs import keys
from jobs.overview import REFUSED
from tests.faults.harness import INDEX, Harness
from tests.faults.operations import shuffled
from tests.faults.producers import Load
from tests.processes import until

BLOCKS = ("index.blocks.write", "index.blocks.read_only_allow_delete")
CLOSED = "-closed"


async def parked(redis: Redis, index: str) -> int:
    prefix = keys.parked_prefix(keys.DEFAULT_QUEUE)
    return sum([await redis.zcard(f"{prefix}{way}:{index}") for way in REFUSED])


@pytest.mark.parametrize("block", BLOCKS, ids=["write", "disk-flood"])
async def test_an_index_is_blocked_and_opened_under_load(
    harness: Harness, seed: int, long_version: bool, block: str
) -> None:
    dice = random.Random(seed)
    index = await harness.create_index(CLOSED)
    load = Load(seed, jobs_a_second=80, most_in_a_bulk=10)
    others = shuffled(seed, documents=50, operations=10_000)
    await harness.fleet.start(2)

    async with harness.producers.under(load, documents=60, place=CLOSED):
        for number in range(8 if long_version else 1):
            await asyncio.sleep(dice.uniform(0.2, 0.6))  # in the middle of some request, by chance
            await harness.elasticsearch.indices.put_settings(index=index, settings={block: True})
            await until(
                lambda: parked(harness.redis, index), 20, lambda: f"nothing is parked\n{harness.fleet.logs()}"
            )

            # Jobs on the other index end while this one is blocked
            part = others[number * 100 : (number + 1) * 100]
            await harness.ended(*await harness.producers.submit_all(part), seconds=15)
            assert await parked(harness.redis, index) > 0
            await harness.elasticsearch.indices.put_settings(index=index, settings={block: None})

    await harness.verdict()
    assert await parked(harness.redis, index) == 0


async def test_documents_that_do_not_fit_the_mapping_fail_alone(
    harness: Harness, seed: int, long_version: bool
) -> None:
    # Given a field of numbers
    place = "-strict"
    await harness.create_index(place, filler="long")
    dice = random.Random(seed)
    operations = [
        replace(operation, place=place) for operation in shuffled(seed, documents=60, operations=300)
    ]

    # When every tenth write has text in it
    mixed = [
        replace(operation, filler="not a number", doomed=True)
        if operation.content and dice.random() < 0.1
        else operation
        for operation in operations
    ]
    await harness.fleet.start(2)
    await harness.ended(*await harness.producers.submit_all(mixed))

    # Then they and no others are told so
    assert any(operation.doomed for operation in mixed)
    await harness.verdict()


async def test_an_index_is_deleted_under_load(harness: Harness, seed: int, long_version: bool) -> None:
    # Given an index that the next write creates again, as it was
    place, index = "-gone", f"{harness.index}-gone"
    client, ledger = harness.elasticsearch, harness.ledger
    await client.indices.put_index_template(name=index, index_patterns=[index], template=INDEX)
    await harness.fleet.start(2)

    # When it is deleted while two indices are written to
    dice = random.Random(seed)
    here, there = Load(seed, jobs_a_second=80), Load(seed + 1, jobs_a_second=40, most_in_a_bulk=10)
    async with (
        harness.producers.under(here, documents=40, place=place),
        harness.producers.under(there, documents=40),
    ):
        for _ in range(8 if long_version else 2):
            await asyncio.sleep(dice.uniform(0.4, 1.0))  # in the middle of some request, by chance
            await client.indices.delete(index=index, ignore_unavailable=True)
            ledger.wiped[place] = await harness.producers.entered()
        await asyncio.sleep(0.5)  # some more load, on the index as it is created again

    # Then what came later is there, and the other index has everything
    assert any(submit.operations[0].place == place for submit in ledger.submits[ledger.wiped[place] :])
    await harness.verdict()
    await client.indices.delete_index_template(name=index)
