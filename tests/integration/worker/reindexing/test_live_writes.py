"""Jobs keep coming while an index is rebuilt: the new one has them all, the alias is never without one."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import (
    DeleteDocument,
    IndexDocument,
    IndexQueue,
    JobHandle,
    Outcome,
    ReindexPhase,
    UpdateDocument,
)
from worker.cancelling import end_tasks
from worker.process import PenstockWorker

from .conftest import Documents

COUNT = 1000
SECONDS = 60.0

Model = dict[tuple[str, str | None], dict[str, Any]]


class Producer:
    """Changes documents of its own at random, and keeps a model of them. Stops when it is told."""

    def __init__(self, queue: IndexQueue, alias: str, name: str, seed: int) -> None:
        self._queue, self._alias, self._name = queue, alias, name
        self._random = random.Random(seed)
        self.model: Model = {}
        self.handles: list[JobHandle] = []
        self.stopped = False

    async def run(self) -> None:
        while not self.stopped:
            await self.change()
            await asyncio.sleep(self._random.random() * 0.01)

    async def change(self) -> None:
        n = self._random.randrange(COUNT)
        routing = f"r{n % 7}" if n % 10 == 0 else None
        key = (f"{self._name}{n}", routing)
        place = {"index": self._alias, "id": key[0]} | ({"routing": routing} if routing else {})
        value = self._random.randrange(1_000_000)
        match self._random.choice(["index", "index", "update", "delete"]):
            case "index":
                self.model[key] = {"value": value}
                job = IndexDocument(**place, document={"value": value})
            case "update":
                self.model[key] = self.model.get(key, {}) | {f"part{value % 3}": value}
                job = UpdateDocument(**place, doc={f"part{value % 3}": value}, doc_as_upsert=True)
            case _:
                self.model.pop(key, None)
                job = DeleteDocument(**place)
        self.handles.append(await self._queue.enqueue(job))


async def fill(queue: IndexQueue, alias: str, producer: Producer, report: Any) -> None:
    actions = []
    for n in range(0, COUNT, 2):
        key = (f"{producer._name}{n}", f"r{n % 7}" if n % 10 == 0 else None)
        producer.model[key] = {"value": n}
        routing = {"routing": key[1]} if key[1] else {}
        actions.append({"op": "index", "id": key[0], "document": {"value": n}, **routing})
    await report(await queue.bulk(index=alias, actions=actions))


@asynccontextmanager
async def watched(elasticsearch: AsyncElasticsearch, alias: str) -> AsyncIterator[Callable[[], int]]:
    """Count the documents behind the alias again and again; the least that were seen."""
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.append((await elasticsearch.count(index=alias))["count"])
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: min(seen)
        assert not watching.done(), "the alias was missing"
    finally:
        await end_tasks([watching])


@asynccontextmanager
async def at_work(producers: Sequence[Producer]) -> AsyncIterator[None]:
    """Producers that change documents until the end of the block."""
    producing = [asyncio.create_task(producer.run()) for producer in producers]
    try:
        yield
    finally:
        for producer in producers:
            producer.stopped = True
        await asyncio.gather(*producing)


@pytest.mark.parametrize("aliased", [True, False], ids=["an alias", "a concrete index"])
async def test_nothing_is_lost_while_jobs_keep_coming(
    start_worker: Callable[..., Awaitable[PenstockWorker]],
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    behind: Callable[[str], Awaitable[list[str]]],
    documents: Callable[[str], Awaitable[Documents]],
    aliased: bool,
) -> None:
    for _ in range(2):
        await start_worker()
    if aliased:
        await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})
    producers = [Producer(queue, prefix, name, seed) for seed, name in enumerate("ab")]
    for producer in producers:
        await fill(queue, prefix, producer, report)
    await elasticsearch.indices.refresh(index=prefix)

    async with watched(elasticsearch, prefix) as least, at_work(producers):
        found = await (await queue.reindex(alias=prefix)).result(timeout=SECONDS)
        for producer in producers:
            await producer.change()

    handles = [handle for producer in producers for handle in producer.handles]
    ends = [(await handle.result(timeout=SECONDS)).outcome for handle in handles]
    assert least() > 0
    assert Outcome.REJECTED not in ends
    new = found.details["new_index"]
    assert await behind(prefix) == [new]
    there = {key: source for key, (source, _) in (await documents(new)).items()}
    wanted = {key: source for producer in producers for key, source in producer.model.items()}
    assert {
        key: (wanted.get(key), there.get(key)) for key in wanted | there if wanted.get(key) != there.get(key)
    } == {}
    assert found.details["caught_up"] > 0
    assert found.details["held_ms"] > 0
    status = await queue.reindex_status(prefix)
    assert status.phase is ReindexPhase.DONE
    assert status.kept_index == (f"{prefix}-first" if aliased else None)
