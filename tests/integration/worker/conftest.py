"""Workers inside the test's own event loop, on the real servers, and a look at what they wrote."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import JobFailed, JobHandle, Report
from jobs.envelope import split
from settings import Settings
from worker.claims import Claims
from worker.process import PenstockWorker

SECONDS = 20.0

StartWorker = Callable[..., Awaitable[PenstockWorker]]


@asynccontextmanager
async def running(worker: PenstockWorker) -> AsyncIterator[PenstockWorker]:
    """A worker at work; stopped, and its end awaited, with the block."""
    work = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(work, SECONDS)
        await worker.close()


@pytest.fixture
async def start_worker(settings: Settings) -> AsyncIterator[StartWorker]:
    """Start a worker, with arq's own keywords (`functions`, `cron_jobs`); it ends with the test."""
    started: list[Any] = []

    async def start(**arq: Any) -> PenstockWorker:
        block = running(PenstockWorker(settings, **arq))
        worker = await block.__aenter__()
        started.append(block)
        return worker

    yield start
    for block in reversed(started):
        await block.__aexit__(None, None, None)


@pytest.fixture
async def worker(start_worker: StartWorker) -> PenstockWorker:
    """One worker with Penstock's own jobs."""
    return await start_worker()


@pytest.fixture
def report() -> Callable[[JobHandle], Awaitable[Report]]:
    """The report of a job that must succeed."""

    async def wait(handle: JobHandle) -> Report:
        return await handle.result(timeout=SECONDS)

    return wait


@pytest.fixture
def failure() -> Callable[[JobHandle], Awaitable[Report]]:
    """The report of a job that must fail."""

    async def wait(handle: JobHandle) -> Report:
        with pytest.raises(JobFailed) as failed:
            await handle.result(timeout=SECONDS)
        return failed.value.report

    return wait


@pytest.fixture
def source(elasticsearch: AsyncElasticsearch) -> Callable[..., Awaitable[Any]]:
    """The content of one document as it stands now, or None where there is none."""

    async def get(index: str, id: str, **options: Any) -> Any:
        answer = await elasticsearch.options(ignore_status=404).get(index=index, id=id, **options)
        return answer.body.get("_source")

    return get


@pytest.fixture
def number_of(redis: Redis) -> Callable[[JobHandle], Awaitable[int]]:
    """The number that a waiting job took at its enqueue."""

    async def read(handle: JobHandle) -> int:
        number = split(await redis.get(f"arq:job:{handle.id}")).number
        assert number is not None
        return number

    return read


@pytest.fixture
def claims_of(redis: Redis) -> Callable[..., Awaitable[Claims]]:
    """Register a worker by name, without a process, and return its side of Redis."""

    async def register(name: str, *, lease_seconds: float = 30.0) -> Claims:
        claims = Claims(redis, redis, "arq:queue", name)
        await claims.beat(lease_seconds, b"{}", register=True)
        return claims

    return register


@pytest.fixture
async def full_server(elasticsearch: AsyncElasticsearch) -> bool:
    """Whether it is a whole Elasticsearch: the embedded one has no `HEAD /`, no scripts, no pipelines."""
    return bool(await elasticsearch.ping())
