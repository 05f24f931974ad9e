"""A source of rows, the workers that have it, and loads of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from jobs import (
    IndexQueue,
    LoadDocuments,
    Report,
)
from settings import Settings
from tests.integration.worker.conftest import SECONDS, running
from tests.sources import Rows, registered
from worker.process import PenstockWorker

LOADED = {"from": "source", "n": 1}


@pytest.fixture
def rows() -> Rows:
    """The system of record."""
    return Rows()


@pytest.fixture
def reading(settings: Settings, prefix: str, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a worker that has the source `rows`, of the index `prefix`."""
    place = registered(monkeypatch, "sources_of_this_test", prefix, rows)
    return settings.model_copy(update={"sources": place})


@asynccontextmanager
async def at_work(*settings: Settings) -> AsyncIterator[None]:
    """A worker for each of these settings, until the end of the block."""
    async with AsyncExitStack() as workers:
        for one in settings:
            await workers.enter_async_context(running(PenstockWorker(one)))
        yield


async def reports(queue: IndexQueue, payloads: Sequence[Any]) -> list[Report]:
    """Enqueue in this order; the reports, which must be successes."""
    handles = await queue.enqueue_many(payloads)
    return await asyncio.gather(*(handle.result(timeout=SECONDS) for handle in handles))


def load(*ids: str) -> LoadDocuments:
    return LoadDocuments(source="rows", ids=list(ids))
