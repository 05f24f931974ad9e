"""Real servers for the whole suite, and a clean place in them for each test.

1. One Redis and one Elasticsearch for the session (`servers`); PENSTOCK_REDIS_URL and
   PENSTOCK_ELASTICSEARCH_URL, when set, are used in their place. A server that can't start fails the run.
2. Each test has a Redis database of its own (`redis_url`) and a prefix for its indices (`prefix`).
3. A test that takes five minutes fails, and its report shows what each task was waiting for.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from io import StringIO
from uuid import uuid4

import hypothesis
import pytest
from arq.connections import ArqRedis
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from embedded import EmbeddedServers
from jobs import IndexQueue, deserialize, serialize
from settings import Settings, load

# A runner in the background ignores SIGINT, and processes that are started would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time: a random one that fails would fail somebody who changed nothing near it.
hypothesis.settings.register_profile("penstock", derandomize=True, deadline=None)
hypothesis.settings.load_profile("penstock")

# Commands read it once, when they are first imported: whichever test comes first, their tables are not cut.
os.environ["COLUMNS"] = "250"

# Which of the processes that share the tests this is: where they share a Redis, each has its own databases.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_databases = itertools.count()
# The loop that all tests share.
_loops: list[asyncio.AbstractEventLoop] = []


def pytest_configure() -> None:
    """A run that is told to stop ends what it has started: fixtures are torn down as after Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was given up shows its tasks: the traceback alone says that the loop was waiting."""
    report = yield
    if call.excinfo is not None and str(call.excinfo.value).startswith("Timeout"):
        report.sections.append(("tasks", _tasks()))
    return report


def _tasks() -> str:
    out = StringIO()
    for task in asyncio.all_tasks(_loops[0]) if _loops else ():
        task.print_stack(file=out)
    return out.getvalue()


@pytest.fixture(scope="session", autouse=True)
async def _the_loop() -> None:
    _loops.append(asyncio.get_running_loop())


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """A real Redis and a real Elasticsearch; `redis_url` and `elasticsearch_url` say where."""
    with EmbeddedServers(show_progress=False) as running:
        yield running


@pytest.fixture
async def redis_url(servers: EmbeddedServers) -> AsyncIterator[str]:
    """The URL of a database that is this test's alone, and empty."""
    base = servers.redis_url.rstrip("/")
    root = base.rsplit("/", 1)[0] if base.rsplit("/", 1)[1].isdigit() else base
    most = int((await _ask(base, "databases")) or 16)
    share = (most - 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    url = f"{root}/{1 + _WORKER * share + next(_databases) % share}"
    async with Redis.from_url(url) as redis:
        await redis.flushdb()
        yield url
        await redis.flushdb()


async def _ask(url: str, name: str) -> str | None:
    async with Redis.from_url(url, decode_responses=True) as redis:
        answer: dict[str, str] = await redis.config_get(name)
        return answer.get(name)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A plain client on this test's database."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[IndexQueue]:
    """A producer on this test's database."""
    async with IndexQueue(redis_url) as index_queue:
        yield index_queue


@pytest.fixture
async def pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A producer that has arq alone, and Penstock's serializer."""
    connection = Redis.from_url(redis_url).connection_pool
    arq = ArqRedis(connection, job_serializer=serialize, job_deserializer=deserialize)
    yield arq
    await arq.aclose(close_connection_pool=True)


@pytest.fixture
async def elasticsearch(servers: EmbeddedServers) -> AsyncIterator[AsyncElasticsearch]:
    """A client of the test's own, for looking at what the worker wrote."""
    async with AsyncElasticsearch(servers.elasticsearch_url, request_timeout=60) as client:
        yield client


@pytest.fixture
async def prefix(elasticsearch: AsyncElasticsearch) -> AsyncIterator[str]:
    """What the names of this test's indices begin with; they are removed after it."""
    name = f"t{uuid4().hex[:12]}"
    yield name
    found = await elasticsearch.options(ignore_status=404).indices.get(index=f"{name}*")
    if names := [index for index in found.body if index.startswith(name)]:
        await elasticsearch.indices.delete(index=names)


@pytest.fixture
def settings(servers: EmbeddedServers, redis_url: str) -> Settings:
    """Settings of a worker on this test's database."""
    return load({"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url})
