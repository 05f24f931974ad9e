"""A wish to cancel is heard in every wait, and nothing that is refused for good keeps a reindex going."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, JobNotFound, ReindexPhase, keys
from tests.sources import Rows
from worker.registry import Record, Registry
from worker.reindexing import patience, writing
from worker.reindexing.forgetting import forget
from worker.reindexing.hold import Hold
from worker.reindexing.room import Room
from worker.reindexing.state import State, Store

from .conftest import JOB, Act, Behind, Documented, Fill, Run

SECONDS = 20.0
At = Callable[[ReindexPhase, Act], None]
Cancelled = Callable[..., Awaitable[None]]


class Killed(BaseException):
    """Raised where a run is cut off; nothing of Penstock's catches it."""


class Unreadable(Rows):
    """Each answer is a failure, or of documents that nobody asked for. `asked` is set from the second on."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.asked = asyncio.Event()
        self.reads_all = True

    def answered_badly(self) -> None:
        self.times += 1
        if self.times > 1:
            self.asked.set()

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        if not self.reads_all:
            self.answered_badly()
            raise ConnectionError("the table is gone")
        yield [Record("a", {"n": 1})]

    async def fetch(self, ids: Sequence[str]) -> Sequence[Record]:
        self.answered_badly()
        return [Record(id.upper(), {}) for id in ids]


@pytest.fixture
def unreadable(registry: Registry, prefix: str) -> Unreadable:
    """A source of the index that never answers as it should."""
    rows = Unreadable()
    registry.source("rows", index=prefix)(rows)
    return rows


@pytest.fixture
def cancelled(run_here: Run, queue: IndexQueue, redis: Redis, behind: Behind, prefix: str) -> Cancelled:
    """Run a reindex, cancel it when it is stuck, and see that it leaves nothing behind."""

    async def run(stuck: asyncio.Event, old: str, **arguments: Any) -> None:
        await redis.zadd("arq:queue", {JOB.id: 3e13})

        async def wish() -> None:
            await stuck.wait()
            await queue.cancel_reindex(prefix)

        async with asyncio.timeout(SECONDS):
            wishing = asyncio.create_task(wish())
            with pytest.raises(JobFailed) as failed:
                await run_here(prefix, **arguments)
            await wishing
        assert failed.value.report.rejected[0].type == "cancelled"
        assert await behind(f"{prefix}*") == [old]

    return run


@pytest.mark.usefixtures("worker")
async def test_a_copy_of_a_source_that_always_fails_can_be_cancelled(
    cancelled: Cancelled, unreadable: Unreadable, filled: Fill
) -> None:
    unreadable.reads_all = False

    await cancelled(unreadable.asked, await filled(3), source="rows")


@pytest.mark.usefixtures("worker")
async def test_catching_up_with_a_source_that_answers_with_other_ids_can_be_cancelled(
    cancelled: Cancelled,
    unreadable: Unreadable,
    queue: IndexQueue,
    filled: Fill,
    at: At,
    prefix: str,
    report: Any,
) -> None:
    old = await filled(3)

    async def touch() -> None:
        await report(await queue.index(index=prefix, id="a", document={}))

    at(ReindexPhase.CATCH_UP, touch)

    await cancelled(unreadable.asked, old, source="rows")


@pytest.mark.usefixtures("worker")
async def test_a_copy_into_an_index_that_takes_no_writes_can_be_cancelled(
    cancelled: Cancelled,
    elasticsearch: AsyncElasticsearch,
    filled: Fill,
    behind: Behind,
    documents: Documented,
    at: At,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(3)
    before = await documents(old)
    refused = asyncio.Event()

    async def block() -> None:
        (new,) = set(await behind(f"{prefix}*")) - {old}
        await elasticsearch.indices.put_settings(index=new, settings={"index.blocks.write": True})

    async def pausing(*arguments: Any) -> None:
        refused.set()
        await patience.pause(*arguments)

    at(ReindexPhase.COPY, block)
    monkeypatch.setattr(writing, "pause", pausing)

    await cancelled(refused, old)

    assert await documents(prefix) == before


@pytest.fixture
async def read_only(
    elasticsearch: AsyncElasticsearch, behind: Behind, at: At, prefix: str
) -> AsyncIterator[list[str]]:
    """When the copy is through, the new index gets a block under which it can't be deleted; its name."""
    blocked: list[str] = []

    async def block() -> None:
        there = set(await behind(f"{prefix}*")) - {f"{prefix}-first"}
        blocked.extend(there)
        await elasticsearch.indices.put_settings(index=blocked, settings={"index.blocks.read_only": True})

    at(ReindexPhase.CATCH_UP, block)
    yield blocked
    await elasticsearch.indices.put_settings(index=blocked, settings={"index.blocks.read_only": None})


@pytest.mark.usefixtures("worker")
async def test_an_index_that_can_not_be_deleted_is_left_and_named(
    run_here: Run, queue: IndexQueue, filled: Fill, behind: Behind, prefix: str, read_only: list[str]
) -> None:
    old = await filled(3)

    async with asyncio.timeout(SECONDS):
        with pytest.raises(JobFailed) as failed:
            await run_here(prefix)

    found = failed.value.report
    assert found.rejected[0].type == "cluster_block_exception"
    assert [found.details["index_left"]] == read_only
    assert "cluster_block_exception" in found.details["left_why"]
    assert await behind(prefix) == [old]
    assert (await queue.reindex_status(prefix)).phase is ReindexPhase.FAILED


@pytest.mark.usefixtures("worker")
async def test_a_reindex_is_forgotten_though_its_index_can_not_be_deleted(
    run_here: Run,
    queue: IndexQueue,
    redis: Redis,
    room: Room,
    filled: Fill,
    behind: Behind,
    prefix: str,
    read_only: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(3)
    enter = Store.enter

    async def killed(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
        await enter(store, state, phase, **fields)
        if phase is ReindexPhase.CATCH_UP:
            raise Killed

    monkeypatch.setattr(Store, "enter", killed)
    with pytest.raises(Killed):
        await run_here(prefix)

    forgotten = await forget(redis, room.client, prefix, delete_index=False)

    assert forgotten.deleted == []
    assert list(forgotten.left) == read_only
    assert await behind(prefix) == [old]
    with pytest.raises(JobNotFound):
        await queue.reindex_status(prefix)


@pytest.fixture
def dying_behind_the_swap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A run dies with its hold still there, as by a signal, when it has saved that the alias has moved."""
    enter = Store.enter

    async def entering(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
        await enter(store, state, phase, **fields)
        if phase is ReindexPhase.SWITCH:
            raise Killed

    async def nobody_lets_go(hold: Hold, *, whoever: bool = False) -> None:
        pass

    with monkeypatch.context() as patched:
        patched.setattr(Store, "enter", entering)
        patched.setattr(Hold, "let_go", nobody_lets_go)
        yield patched.undo


@pytest.mark.usefixtures("worker")
async def test_the_next_run_lets_go_of_what_was_held_for_a_swap_that_is_done(
    run_here: Run,
    queue: IndexQueue,
    redis: Redis,
    filled: Fill,
    prefix: str,
    report: Any,
    dying_behind_the_swap: Callable[[], None],
) -> None:
    await filled(3)
    with pytest.raises(Killed):
        await run_here(prefix)
    dying_behind_the_swap()
    assert await redis.hlen(keys.HELD) == 2

    await run_here(prefix)

    assert await redis.hlen(keys.HELD) == 0
    async with asyncio.timeout(SECONDS):
        await report(await queue.index(index=prefix, id="1", document={}))
