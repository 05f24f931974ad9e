"""Thousands of jobs that wait for each other's documents, after an outage: what waking them costs Redis."""

from __future__ import annotations

from redis.asyncio import Redis

from tests.faults.facts import unfinished
from tests.faults.harness import Harness
from tests.faults.ledger import Ledger
from tests.faults.operations import shuffled
from tests.faults.producers import Load

DOCUMENTS = 200
MOST_IN_A_BULK = 50
# Of each document of each job: into and out of the lists of those that wait for it, and of the job itself.
# Jobs that come back in vain go there and back again.
MOST_MOVES_AN_ACTION = 6.0


async def moves(redis: Redis) -> int:
    """How many times Redis has put anything into a sorted set, or taken it out, scripts included."""
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("zadd", "zrem"))


def actions(ledger: Ledger) -> int:
    return sum(len(submit.operations) for submit in ledger.submits)


async def test_jobs_on_shared_documents_are_not_woken_in_vain(
    harness: Harness, seed: int, long_version: bool
) -> None:
    # Given jobs that have gathered while Elasticsearch was away from two workers
    await harness.fleet.start(2)
    await harness.elasticsearch_proxy.refuse()
    load = Load(seed, jobs_a_second=10_000, most_in_a_bulk=MOST_IN_A_BULK)
    operations = shuffled(seed, documents=DOCUMENTS, operations=30_000 if long_version else 8_000)
    await harness.producers.run(operations, load)
    jobs = await unfinished(harness.redis)
    await harness.redis.config_resetstat()

    # When it is back
    await harness.elasticsearch_proxy.listen()
    await harness.settled(seconds=300 if long_version else 60)

    # Then
    done = await moves(harness.redis)
    print(f"{jobs} jobs of {actions(harness.ledger)} actions: {done} moves")
    assert done / actions(harness.ledger) <= MOST_MOVES_AN_ACTION
    await harness.verdict()
