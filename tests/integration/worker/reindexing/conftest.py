"""A registry for the workers of these tests, and what a reindex works with when a test runs it by itself."""

import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, ReindexPhase, ReindexStatus, Report
from jobs.models import ReindexAlias
from settings import Settings
from tests.processes import until
from worker.backoff import Backoff
from worker.elastic import ProcessClient
from worker.process import PenstockWorker
from worker.registry import Registry
from worker.reindexing.catching_up import CatchUp
from worker.reindexing.room import Room
from worker.reindexing.run import reindex
from worker.reindexing.state import Job, State, Store

SECONDS = 60.0
PAGE = 50
JOB = Job("by-the-test", 0)
Act = Callable[[], Awaitable[Any]]

Documents = dict[tuple[str, str | None], tuple[Any, int]]
# What the fixtures below give, by their names: run_here, filled, documents, behind, and start_worker.
Run = Callable[..., Awaitable[Report]]
Fill = Callable[[int], Awaitable[str]]
Documented = Callable[[str], Awaitable[Documents]]
Behind = Callable[[str], Awaitable[list[str]]]
Start = Callable[..., Awaitable[PenstockWorker]]


@pytest.fixture
def registry() -> Registry:
    """What the workers of this test know; to be filled before one starts."""
    return Registry()


@pytest.fixture
def settings(settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a worker that has the registry, and copies in many small pages."""
    module = ModuleType("registered_for_a_reindex")
    vars(module)["registry"] = registry
    monkeypatch.setitem(sys.modules, module.__name__, module)
    sources = f"{module.__name__}:registry"
    return settings.model_copy(update={"sources": sources, "reindex_batch_actions": PAGE})


@pytest.fixture
async def room(settings: Settings, redis: Redis, registry: Registry) -> AsyncIterator[Room]:
    """What a reindex works with."""
    elastic = ProcessClient.of(settings)
    backoff = Backoff(0.05, 0.2, random.Random(1).random)
    yield Room(elastic.client, redis, registry, settings, backoff, "arq:queue")
    await elastic.close()


@pytest.fixture
def run_here(room: Room) -> Run:
    """Run a reindex in the test's own task, under a job id."""

    async def run(alias: str, job_id: str = JOB.id, *, enqueued_ms: int = 0, **arguments: Any) -> Report:
        payload, job = ReindexAlias(alias=alias, **arguments), Job(job_id, enqueued_ms)
        return await reindex(room, payload, job, lambda: False)

    return run


@pytest.fixture
def keeps_five(room: Room) -> None:
    """For a rollback, no more than five touched documents are kept."""
    few = room.settings.model_copy(update={"reindex_rollback_documents": 5})
    object.__setattr__(room, "settings", few)


@pytest.fixture
def documents(elasticsearch: AsyncElasticsearch) -> Documented:
    """All documents of an index by id and routing: source and version."""

    async def read(index: str) -> Documents:
        await elasticsearch.indices.refresh(index=index)
        page = await elasticsearch.search(index=index, size=10_000, version=True)
        return {
            (hit["_id"], hit.get("_routing")): (hit["_source"], hit["_version"])
            for hit in page["hits"]["hits"]
        }

    return read


@pytest.fixture
def behind(elasticsearch: AsyncElasticsearch) -> Behind:
    """The indices behind a name."""

    async def read(name: str) -> list[str]:
        found = await elasticsearch.options(ignore_status=404).indices.get(index=name)
        return [] if found.meta.status == 404 else sorted(found.body)

    return read


@pytest.fixture
def filled(queue: IndexQueue, elasticsearch: AsyncElasticsearch, prefix: str, report: Any) -> Fill:
    """Make an index behind the alias `prefix`, with so many documents, each tenth routed; its name.

    Needs a worker.
    """

    async def fill(count: int) -> str:
        index = f"{prefix}-first"
        await elasticsearch.indices.create(index=index, aliases={prefix: {}})
        actions = [
            {"op": "index", "id": f"{n}", "document": {"name": f"Name {n}", "n": n}}
            | ({"routing": f"r{n}"} if n % 10 == 0 else {})
            for n in range(count)
        ]
        await report(await queue.bulk(index=prefix, actions=actions))
        return index

    return fill


@pytest.fixture
def reaches(queue: IndexQueue) -> Callable[..., Awaitable[ReindexStatus]]:
    """Wait until a reindex is in one of these phases."""

    async def wait(alias: str, *phases: ReindexPhase) -> ReindexStatus:
        async def there() -> bool:
            return alias in {one.alias for one in await queue.reindexes()} and (
                (await queue.reindex_status(alias)).phase in phases
            )

        await until(there, SECONDS, lambda: f"the reindex of {alias} never came to {phases}")
        return await queue.reindex_status(alias)

    return wait


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[ReindexPhase, Act], None]:
    """Have something done once, right before a phase is entered for the first time."""

    def arrange(when: ReindexPhase, act: Act) -> None:
        enter, done = Store.enter, []

        async def entering(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
            if phase is when and not done:
                done.append(phase)
                await act()
            await enter(store, state, phase, **fields)

        monkeypatch.setattr(Store, "enter", entering)

    return arrange


@pytest.fixture
def in_the_hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], None]:
    """Have something done once, when jobs are held and all is caught up with."""

    def arrange(act: Act) -> None:
        to_zero, done = CatchUp.to_zero, []

        async def reaching(catch_up: CatchUp) -> None:
            await to_zero(catch_up)
            if not done:
                done.append(catch_up)
                await act()

        monkeypatch.setattr(CatchUp, "to_zero", reaching)

    return arrange
