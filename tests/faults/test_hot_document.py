"""A document with thousands of waiting jobs: they end one after the other, and nobody else waits for it."""

from __future__ import annotations

from tests.faults.facts import unfinished
from tests.faults.harness import Harness
from tests.faults.operations import Kind, Operation, shuffled

OTHERS = 300


async def test_a_hot_document_slows_nobody_else(harness: Harness, seed: int, long_version: bool) -> None:
    # Given jobs on one document, of which few can be left out for a later one, and others far behind them
    number = 100_000 if long_version else 2_000
    kinds = (*[Kind.INDEX] * 7, Kind.DELETE)
    hot = [Operation(n, "hot", kinds[n % 8]) for n in range(number)]
    others = shuffled(seed, documents=60, operations=OTHERS, first=number)

    # When two workers take them
    await harness.producers.submit_together(hot)
    behind = await harness.producers.submit_together(others)
    await harness.fleet.start(2)
    await harness.ended(*behind)

    # Then the others have ended long before the document's last job
    left = await unfinished(harness.redis)
    print(f"{left} of {number} jobs on the hot document are left when the others have ended")
    assert left > number / 2
    await harness.verdict(seconds=3_000 if long_version else 90)
