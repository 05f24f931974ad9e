"""What is being read where a batcher stops, or is asked whether all has been tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from jobs.outcomes import Outcome
from tests.sources import Rows
from tests.unit.worker.batching import MakeBatcher, Turns
from tests.unit.worker.loading.conftest import MakeLoad, put
from worker import loading as module
from worker.answers import Away, Problem, Settled
from worker.batcher import Batcher

WRITTEN = Settled(Outcome.UPDATED)
GONE = Settled(Outcome.DELETED)
AWAY = Problem("connection", "refused", Away.YES)


async def test_what_a_source_makes_of_being_cut_is_no_defect(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrapping(Rows):
        async def fetch(self, ids: Sequence[str]) -> Sequence[Any]:
            try:
                return await asyncio.Event().wait() or []
            except asyncio.CancelledError:
                raise RuntimeError("the query was cut") from None

    batcher = make(sources={"rows": Wrapping()})
    put(batcher, owned, make_load("1"))
    await turns()

    async with asyncio.timeout(5):
        await batcher.drain(60)

    assert (caplog.messages, owned.settlements, batcher.unsettled) == ([], [], 1)


async def test_what_is_being_read_counts_as_not_tried_yet(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    batcher = make()
    with rows.held():
        put(batcher, owned, make_load("1"))
        await turns()
        tried = asyncio.create_task(batcher.tried())
        await turns()
        assert not tried.done()
    request = await cluster.next()
    await turns()
    assert not tried.done()
    request.answer(WRITTEN)
    async with asyncio.timeout(5):
        await tried


async def test_a_load_that_waits_for_its_read_counts_as_not_tried_yet(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, pauses: Any, rows: Rows, turns: Turns
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("once")

    pauses.seconds = 3600
    rows.answer = fail
    batcher = make()
    put(batcher, owned, make_load("1"), make_load("2"))
    await turns()
    put(batcher, owned, make_load("3"))

    assert not await is_tried(batcher, turns)
    assert rows.calls == [["1", "2"]]


async def test_while_a_source_is_away_its_loads_are_not_waited_for(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, pauses: Any, rows: Rows, turns: Turns
) -> None:
    def away(*_: object) -> Any:
        if len(rows.calls) > 4:
            pauses.seconds = 3600
        raise ConnectionError("away")

    rows.answer = away
    batcher = make(concurrency=1)
    put(batcher, owned, make_load("1"), make_load("2"), make_load("3"))
    tried = asyncio.create_task(batcher.tried())

    async with asyncio.timeout(5):
        await tried

    assert len(rows.calls) == 5


async def is_tried(batcher: Batcher, turns: Turns) -> bool:
    waiting = asyncio.create_task(batcher.tried())
    await turns()
    waiting.cancel()
    return waiting.done()


async def test_a_drain_cuts_what_is_being_read(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    batcher = make()
    with rows.held():
        put(batcher, owned, make_load("1"))
        await turns()
        async with asyncio.timeout(5):
            await batcher.drain(60)

    assert (owned.settlements, batcher.unsettled, cluster.quiet) == ([], 1, True)


async def test_a_read_that_does_not_let_itself_be_cut_holds_no_stop_up(
    make: MakeBatcher,
    make_load: MakeLoad,
    owned: Any,
    rows: Rows,
    turns: Turns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CLEANUP_SECONDS", 0.01)
    let_it_end, cut = asyncio.Event(), asyncio.Event()

    class Slow(Rows):
        async def fetch(self, ids: Sequence[str]) -> Sequence[Any]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut.set()
                await let_it_end.wait()
            return ["no record"]

    batcher = make(sources={"rows": Slow()})
    put(batcher, owned, make_load("1"))
    await turns()

    async with asyncio.timeout(5):
        await batcher.drain(0)

    assert cut.is_set()
    let_it_end.set()
    await turns()
    assert owned.settlements == [], "its job was given back"
