"""Repairs for a Redis that takes no new jobs: the command says so in one line, and the job is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from arq.worker import Retry
from click.testing import Result
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from typer.testing import CliRunner

from embedded import EmbeddedServers, RedisServer, start_redis
from settings import load
from tests.sources import Rows, registered
from worker.cli import app
from worker.runtime import CONTEXT_KEY, Runtime
from worker.verifying import job, verification

SOURCES = "rows_of_a_full_redis"


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis whose limit these tests may set."""
    with start_redis() as server:
        yield server


@pytest.fixture
async def full(own_redis: RedisServer) -> AsyncIterator[Redis]:
    """A client on that Redis, of whose limit more is in use than producers may fill, but not all."""
    async with Redis.from_url(own_redis.url) as client:
        await client.flushall()
        await client.setrange("ballast", 50_000_000, b"x")  # beside it a connection counts little
        used = int((await client.info("memory"))["used_memory"])
        await client.config_set("maxmemory", int(used / 0.95))
        yield client
        await client.config_set("maxmemory", 0)


@pytest.fixture
async def variables(
    full: Redis,
    own_redis: RedisServer,
    servers: EmbeddedServers,
    prefix: str,
    elasticsearch: AsyncElasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The settings that name the full Redis, and a source with a row that the index lacks."""
    monkeypatch.setitem(verification.Verification.__init__.__kwdefaults__, "settle_seconds", 0.0)
    rows = Rows()
    rows.rows["1"] = {"n": 1}
    await elasticsearch.indices.create(index=prefix)
    return {
        "PENSTOCK_REDIS_URL": own_redis.url,
        "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url,
        "PENSTOCK_SOURCES": registered(monkeypatch, SOURCES, prefix, rows),
    }


async def test_the_command_says_that_redis_takes_no_jobs_and_goes_on_when_it_does(
    full: Redis, variables: dict[str, str], prefix: str
) -> None:
    async def verify() -> Result:
        arguments = ["verify", prefix, "--source", "rows", "--repair"]
        # In a thread: the command runs an event loop of its own.
        return await asyncio.to_thread(CliRunner(env=variables).invoke, app, arguments)

    refused = await verify()
    await full.config_set("maxmemory", 0)
    repaired = await verify()

    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "Redis takes no new jobs" in refused.stderr
    assert "the same command goes on" in refused.stderr.replace("\n", " ")
    assert repaired.exit_code == 0, repaired.output
    assert "repairs enqueued" in repaired.stdout


async def test_the_job_is_tried_again_until_redis_takes_its_repairs(
    full: Redis, variables: dict[str, str], prefix: str
) -> None:
    runtime = Runtime(load(variables))
    context = {CONTEXT_KEY: runtime, "redis": full, "job_try": 1}
    arguments = {"index": prefix, "source": "rows", "repair": True}
    try:
        with pytest.raises(Retry):
            await job.verify(context, **arguments)
        await full.config_set("maxmemory", 0)
        report = await job.verify(context, **arguments)
    finally:
        await runtime.close()

    assert (report.details["missing"], report.details["repaired"]) == (1, 1)
