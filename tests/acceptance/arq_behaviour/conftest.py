"""One suite for arq's own worker and for Penstock's: what arq's users know holds under both.

A test that asks for `kind` runs twice. `run_worker` starts a worker of that kind inside the test's loop,
with a user's own functions, cron jobs and hooks beside Penstock's jobs; `burst` runs one to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from arq.worker import Worker

from settings import Settings, load
from tests.acceptance.arq_behaviour.kinds import SECONDS, Kind, close, make_worker, working

RunWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Whose worker it is: each test runs with both."""
    return Kind(request.param)


@pytest.fixture
def settings(servers: Any, redis_url: str) -> Settings:
    """In place of the suite's: arq's worker finds new jobs by polling alone."""
    named = {"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url}
    return load(named | {"PENSTOCK_POLL_SECONDS": "0.05"})


@pytest.fixture
async def run_worker(kind: Kind, settings: Settings) -> AsyncIterator[RunWorker]:
    """Start a worker with arq's own keywords (`functions`, `cron_jobs`, hooks, limits)."""
    async with AsyncExitStack() as ending:

        async def start(settings: Settings = settings, **arq: Any) -> Worker:
            return await ending.enter_async_context(working(make_worker(kind, settings, **arq)))

        yield start


@pytest.fixture
async def burst(kind: Kind, settings: Settings) -> Callable[..., Awaitable[Worker]]:
    """Run a worker in a burst, to its end; the worker, closed."""

    async def run(**arq: Any) -> Worker:
        worker = make_worker(kind, settings, burst=True, **arq)
        try:
            await asyncio.wait_for(worker.async_run(), SECONDS)
        finally:
            await close(worker)
        return worker

    return run
