"""An alias that is rebuilt under load: its documents, who writes and who reads, and what must be true.

1. Documents behind an alias, a quarter of them routed; some of them, the kept ones, nobody ever deletes.
2. Producers write at random on all of them, and on some that are new.
3. A reader asks the alias all the while: the kept ones are always all there, and none ever becomes older.
4. Reindex jobs, which can be watched, and whose worker can be found.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

from jobs import IndexQueue, Report, keys
from jobs.handle import JobHandle
from jobs.reindexes import ReindexPhase, ReindexStatus
from tests.faults.facts import hits, unfinished
from tests.faults.harness import INDEX, Harness
from tests.faults.operations import Kind, Operation
from tests.faults.producers import Load
from tests.faults.proxy import Hold
from tests.faults.reader import Reader
from tests.processes import WorkerProcess, until

KEPT = 200
# So many documents are there before, in bulk jobs of this size.
_BULK = 500
_WRITES = (Kind.INDEX, Kind.UPDATE, Kind.UPSERT)
_KINDS = (*_WRITES, Kind.UPDATE, Kind.DELETE, Kind.CREATE)
# Of another number of shards, so that a routing that got lost would show.
_SHARDS, _NEW_SHARDS = 2, 3
MAPPINGS: dict[str, Any] = {"dynamic": False, "properties": {"last": {"type": "long"}}}
SETTINGS: dict[str, Any] = {
    "number_of_shards": _NEW_SHARDS,
    "number_of_replicas": 0,
    "refresh_interval": "200ms",
}


def name_of(number: int) -> str:
    """A quarter of the documents is routed."""
    return f"{'d' if number % 4 else 'r'}{number}"


def routing_of(name: str) -> str:
    """Of a document; empty where it has none."""
    return f"way{name[-1]}" if name.startswith("r") else ""


class Rebuilding:
    """See the module. `documents` is how many there are before."""

    def __init__(self, harness: Harness, seed: int, documents: int) -> None:
        self._harness, self._seed, self._documents = harness, seed, documents
        self.alias = harness.index
        self.old = f"{harness.index}-old"
        self.kept = {name_of(number): routing_of(name_of(number)) for number in range(KEPT)}
        self.queue = IndexQueue(harness.redis_server.url)

    async def __aenter__(self) -> Self:
        await self._prepare()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.queue.close()

    async def _prepare(self) -> None:
        """An alias of an empty index, and the jobs that will fill it."""
        harness = self._harness
        await harness.elasticsearch.indices.delete(index=self.alias)
        settings = {**INDEX["settings"], "number_of_shards": _SHARDS}
        await harness.elasticsearch.indices.create(
            index=self.old, mappings=INDEX["mappings"], settings=settings, aliases={self.alias: {}}
        )
        harness.compared = self.alias
        first = [self._operation(number, number, Kind.INDEX) for number in range(self._documents)]
        parts = [first[start : start + _BULK] for start in range(0, len(first), _BULK)]
        self._first = [await harness.producers.submit(*part) for part in parts]

    @asynccontextmanager
    async def writes(self, jobs_a_second: float = 150) -> AsyncIterator[None]:
        """As long as the block runs, four producers write; it begins when the documents are there."""
        await self._harness.ended(*self._first)
        await self._harness.elasticsearch.indices.refresh(index=self.old)
        load = Load(self._seed, jobs_a_second, producers=4, most_in_a_bulk=10)
        async with self._harness.producers.submitting(self._stream(), load):
            yield

    @asynccontextmanager
    async def read(self, *, away: bool = False) -> AsyncIterator[None]:
        """As long as the block runs, a reader asks; what it should not have seen is raised at the end."""
        reader = Reader(self._harness.elasticsearch, self.alias, self.kept, self._seed, away=away)
        work = asyncio.create_task(reader.run())
        try:
            yield
        finally:
            reader.stop.set()
            await work
        assert not reader.findings, reader.findings[:10]
        assert reader.asked > 10

    async def start(self, *, rollback: bool = False) -> JobHandle:
        """Enqueue a reindex with other mappings, or a rollback."""
        told = {"rollback": True} if rollback else {"mappings": MAPPINGS, "settings": SETTINGS}
        handle = await self.queue.reindex(alias=self.alias, **told)
        self._harness.others.add(handle.id)
        return handle

    async def ended(self, handle: JobHandle, seconds: float = 120) -> Report:
        """Wait for its report, of a failed one too."""
        logs = self._harness.fleet.logs
        await until(handle.report, seconds, lambda: f"not ended within {seconds} s\n{logs()}")
        report = await handle.report()
        assert report is not None
        return report

    async def reached(self, share: float) -> ReindexStatus:
        """Wait until so much is copied, while it is being copied."""

        def copied(status: ReindexStatus) -> bool:
            return status.phase is ReindexPhase.COPY and status.total * share < status.done < status.total

        return await self.shows(copied)

    async def shows(self, wanted: Any) -> ReindexStatus:
        """Wait until the status is such as is wanted."""
        seen: list[ReindexStatus] = []

        async def so() -> bool:
            told = [status for status in await self.queue.reindexes() if status.alias == self.alias]
            seen.extend(told)
            return any(wanted(status) for status in told)

        await until(so, 60, lambda: f"last seen: {seen[-1:]}\n{self._harness.fleet.logs()}")
        return seen[-1]

    async def holder(self, handle: JobHandle) -> WorkerProcess:
        """The worker that has the job, once one has: its id is its host, its process and a part by chance."""
        by_pid = {str(worker.pid): worker for worker in self._harness.fleet.alive}
        found: list[WorkerProcess] = []

        async def claimed() -> bool:
            raw = await self._harness.redis.get(keys.IN_PROGRESS_PREFIX + handle.id)
            if raw is not None and (pid := raw.decode().rsplit("-", 2)[1]) in by_pid:
                found.append(by_pid[pid])
            return bool(found)

        await until(claimed, 30, lambda: f"nobody takes the reindex\n{self._harness.fleet.logs()}")
        return found[0]

    async def goes_on(self, jobs: int = 40) -> None:
        """Wait until so many jobs more have been enqueued: writes go on."""
        wanted = len(self._harness.ledger.submits) + jobs
        await until(
            lambda: len(self._harness.ledger.submits) >= wanted, 30, lambda: "the producers stand still"
        )

    async def caught(self, hold: Hold) -> None:
        """Wait until a worker is held up there."""
        await until(hold.caught.is_set, 60, lambda: f"nobody comes there\n{self._harness.fleet.logs()}")

    async def held_no_more(self, jobs: int = 100) -> None:
        """Wait until so many jobs more have ended: nobody holds them."""
        counters = keys.counters(keys.DEFAULT_QUEUE)

        async def ended() -> int:
            return int(await self._harness.redis.hget(counters, "jobs") or 0)  # type: ignore[misc]  # both clients

        wanted = await ended() + jobs

        async def enough() -> bool:
            return await ended() >= wanted

        await until(enough, 30, lambda: f"jobs stand still\n{self._harness.fleet.logs()}")

    async def held(self, jobs: int = 500) -> None:
        """Wait until so many jobs wait."""

        async def waiting() -> bool:
            return await unfinished(self._harness.redis) > jobs

        await until(waiting, 30, lambda: f"jobs are not held\n{self._harness.fleet.logs()}")

    async def indices(self) -> set[str]:
        """All that were made for the alias, itself left out."""
        found = await self._harness.elasticsearch.indices.get(index=f"{self.alias}*")
        return set(found.body)

    async def behind(self) -> str:
        """The index that the alias leads to."""
        (index,) = (await self._harness.elasticsearch.indices.get_alias(name=self.alias)).body
        return str(index)

    async def verdict(self, index: str, *, seconds: float = 90.0) -> None:
        """The alias leads to `index`, which holds what the model says, routings included."""
        client = self._harness.elasticsearch
        await self._harness.verdict(seconds=seconds)
        assert await self.behind() == index
        found = [(hit["_id"], hit.get("_routing", "")) async for hit in hits(client, index)]
        assert {(id, routing) for id, routing in found if routing != routing_of(id)} == set()
        assert len(found) == len(dict(found))  # none there twice, by two routings

    def _stream(self) -> Iterator[Operation]:
        """Without end, on all documents and on a tenth more."""
        dice = random.Random(self._seed)
        most = self._documents + self._documents // 10
        for number in itertools.count(self._documents):
            document = dice.randrange(most)
            yield self._operation(number, document, dice.choice(_WRITES if document < KEPT else _KINDS))

    def _operation(self, number: int, document: int, kind: Kind) -> Operation:
        name = name_of(document)
        return Operation(number, name, kind, routing=routing_of(name))
