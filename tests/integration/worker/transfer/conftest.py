"""The worker's own client, whose answers can be had as bytes."""

from collections.abc import AsyncIterator

import pytest
from elasticsearch import AsyncElasticsearch

from settings import Settings
from worker.elastic import client_arguments


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[AsyncElasticsearch]:
    """As a worker makes it."""
    async with AsyncElasticsearch(**client_arguments(settings)) as made:
        yield made
