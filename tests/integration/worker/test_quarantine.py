"""Suspects have their turn, and others are claimed, while a write that can't settle is held."""

import asyncio
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, Outcome
from tests.claiming import claim, die, ids

SECONDS = 20.0


@pytest.fixture
async def away(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """An index whose only shard has no place to be."""
    index = f"{prefix}-away"
    nowhere = {"index.routing.allocation.require._name": "nobody", "index.number_of_replicas": 0}
    await elasticsearch.indices.create(index=index, settings=nowhere, wait_for_active_shards=0)
    return index


async def test_a_write_of_a_shard_that_is_away_keeps_no_suspect_waiting(
    queue: IndexQueue,
    redis: Redis,
    prefix: str,
    away: str,
    claims_of: Any,
    start_worker: Any,
    report: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given a worker that holds an update that it can't even look at
    dead, other = await claims_of("dead"), await claims_of("other")
    suspects = [await queue.index(index=prefix, id=f"s{n}", document={}) for n in range(10)]
    assert ids(await claim(dead)) == ids(suspects)
    stuck = await queue.update(index=away, id="1", doc={}, doc_as_upsert=True)
    await start_worker()
    async with asyncio.timeout(SECONDS):
        while "are tried again" not in caplog.text:  # noqa: ASYNC110 - only its log tells
            await asyncio.sleep(0.01)

    # When other jobs come under suspicion
    await die(redis, dead, other)
    async with asyncio.timeout(4):
        reports = await asyncio.gather(*map(report, suspects))
        later = await report(await queue.index(index=prefix, id="later", document={}))

    # Then they are run, and so is what comes later
    assert {found.outcome for found in (*reports, later)} == {Outcome.CREATED}
    assert not await redis.exists("penstock:arq:queue:accused")
    assert (await stuck.status()).value == "in_progress"
