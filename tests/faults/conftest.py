"""Servers that may be killed, and a harness around them (harness.py). A scenario runs once for each seed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from embedded import ElasticsearchServer, RedisServer, start_elasticsearch, start_redis
from tests.faults.harness import Harness
from tests.faults.seeds import SEEDS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `seed` runs once for each; the seed is in its name."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, SEEDS + 1), ids=lambda seed: f"seed-{seed}")


@pytest.fixture(scope="session")
def long_version() -> bool:
    """Whether there is time for the sizes that the issue names."""
    return SEEDS > 1


@pytest.fixture(scope="session")
def own_elasticsearch() -> Iterator[ElasticsearchServer]:
    """An Elasticsearch of the fault tests' own: no other test may see it go."""
    settings = {"http.max_content_length": "2mb"}
    with start_elasticsearch(heap_mb=512, settings=settings, show_progress=False) as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis with an append-only file, of this test's own."""
    with start_redis() as server:
        yield server


@pytest.fixture
async def harness(
    own_redis: RedisServer, own_elasticsearch: ElasticsearchServer, tmp_path: Path
) -> AsyncIterator[Harness]:
    """Everything that a scenario needs; workers are started by the scenario."""
    if not own_elasticsearch.running:  # the test before failed while it was down
        await asyncio.to_thread(own_elasticsearch.start)
    async with Harness(own_redis, own_elasticsearch, tmp_path) as scene:
        yield scene
