"""Loads are read from their source, written like everything else, and in the order of their document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from jobs.outcomes import Outcome
from tests.sources import Rows
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns
from tests.unit.worker.loading.conftest import MakeLoad, put
from worker.actions import ActionKind
from worker.answers import Away, Problem, Settled, Trouble, rejected
from worker.registry import Record

WRITTEN = Settled(Outcome.UPDATED)
GONE = Settled(Outcome.DELETED)
AWAY = Problem("connection", "refused", Away.YES)


async def test_what_gathers_while_a_source_is_read_is_read_together(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    batcher = make(concurrency=1)
    with rows.held():
        put(batcher, owned, make_load("1"))
        await turns()
        put(batcher, owned, make_load("2"))
        put(batcher, owned, make_load("3"))
        await turns()
        assert rows.calls == [["1"]]
    (await cluster.next()).answer(WRITTEN)
    (await cluster.next()).answer(WRITTEN)
    await turns()

    assert rows.calls == [["1"], ["2", "3"]]
    assert sorted(owned.ids) == ["1", "2", "3"]
    assert batcher.unsettled == 0


async def test_loads_that_wait_for_one_document_are_read_once(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    batcher = make()
    loads = [make_load("1") for _ in range(3)]
    put(batcher, owned, *loads)
    request = await cluster.next()
    # One that comes when the read is over may be about a newer row.
    put(batcher, owned, make_load("1"))
    request.answer(WRITTEN)
    second = await cluster.next()
    second.answer(WRITTEN)
    await turns()

    assert rows.calls == [["1"], ["1"]]
    (written,) = request.actions
    assert (written.kind, written.number, written.body) == (ActionKind.INDEX, loads[-1].number, b'{"n":1}')
    outcomes = [settled.outcome for _, settled, _ in owned.settlements]
    assert outcomes == [Outcome.SUPERSEDED, Outcome.SUPERSEDED, Outcome.UPDATED, Outcome.UPDATED]


@pytest.mark.parametrize(
    ("answer", "kept_back"),
    [(GONE, Outcome.SUPERSEDED), (rejected("mapper", "no"), Outcome.REJECTED)],
)
async def test_loads_that_were_read_together_share_the_answer(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns,
    answer: Settled, kept_back: Outcome,
) -> None:  # fmt: skip
    batcher = make()
    put(batcher, owned, make_load("gone"), make_load("gone"))
    (await cluster.next()).answer(answer)
    await turns()

    assert [settled.outcome for _, settled, _ in owned.settlements] == [kept_back, answer.outcome]
    assert (len(rows.calls), batcher.unsettled) == (1, 0)


async def test_what_is_behind_a_load_waits_for_it(
    make: MakeBatcher, make_load: MakeLoad, make_action: MakeAction, owned: Any, cluster: Any, rows: Rows,
    turns: Turns,
) -> None:  # fmt: skip
    batcher = make()
    first, later = make_action(id="1"), make_action(id="1")
    batcher.add(owned.entries(first))
    batcher.pump()
    put(batcher, owned, make_load("1"))
    batcher.add(owned.entries(later))
    batcher.pump()
    await turns()
    assert rows.calls == []  # the load waits for what is before it

    (await cluster.next()).answer(WRITTEN)
    loaded = await cluster.next()
    assert [action.body for action in loaded.actions] == [b'{"n":1}']
    loaded.answer(WRITTEN)
    assert (await cluster.next()).actions == [later]


async def test_a_record_that_can_not_be_used_rejects_its_own_id(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    rows.rows["2"] = {"n": {1, 2}}
    put(make(), owned, make_load("1"), make_load("2"), make_load("2"))
    request = await cluster.next()
    request.answer(WRITTEN)
    await turns()

    assert request.ids == ["1"]
    bad = [settled for id, settled, _ in owned.settlements if id == "2"]
    assert [(settled.outcome, settled.type) for settled in bad] == [(Outcome.REJECTED, "bad_record")] * 2


async def test_nothing_is_deleted_on_the_word_of_an_answer_that_nobody_understands(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    # Given a source that answers for 7 with another spelling of that id
    def answer(ids: Sequence[str], found: list[Any]) -> list[Any]:
        return found + [Record("007", {}) for id in ids if id == "7"]

    rows.answer = answer
    put(make(), owned, *(make_load(id) for id in ("1", "2", "7", "gone")))

    # When all have been read, then what is really gone is deleted, and 7 is not
    requests = [await cluster.next() for _ in range(2)]
    kinds = {action.id: action.kind for request in requests for action in request.actions}
    await turns()
    assert kinds == {"1": ActionKind.INDEX, "2": ActionKind.INDEX, "gone": ActionKind.DELETE}
    ((id, settled, _),) = owned.settlements
    assert (id, settled.type) == ("7", "bad_record")
    assert settled.reason == "the source answered with id '007', which it was not asked for"


async def test_an_outage_is_logged_once_and_without_values(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns, caplog: Any
) -> None:
    def answer(ids: Sequence[str], found: list[Any]) -> list[Any]:
        if len(rows.calls) > 8:
            return found
        raise RuntimeError("password=tiger")

    rows.answer = answer
    with caplog.at_level(logging.WARNING, "penstock.sources"):
        put(make(), owned, make_load("1"), make_load("2"))
        ids = (await cluster.next()).ids
        ids += (await cluster.next()).ids
        await turns()

    assert sorted(ids) == ["1", "2"]
    failed, back = [record.getMessage() for record in caplog.records]
    assert failed.startswith("reading from source rows has failed (RuntimeError at ")
    assert back.startswith("all of source rows can be read again after ")
    assert "tiger" not in caplog.text


@pytest.mark.parametrize("error", [asyncio.CancelledError(), TypeError("not iterable")])
async def test_whatever_a_source_raises_the_load_is_read_again(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, error: BaseException
) -> None:
    def answer(ids: Sequence[str], found: list[Any]) -> list[Any]:
        if len(rows.calls) == 1:
            raise error
        return found

    rows.answer = answer
    put(make(), owned, make_load("1"))

    assert (await cluster.next()).ids == ["1"]


async def test_a_source_that_does_not_answer_in_time_is_asked_again(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows
) -> None:
    batcher = make(timeout_seconds=0.01)
    with rows.held():
        put(batcher, owned, make_load("1"))
        while len(rows.calls) < 3:
            rows.called.clear()
            await rows.called.wait()

    assert (await cluster.next()).ids == ["1"]


async def test_no_more_is_read_than_memory_has_room_for(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    batcher = make(batch_size=1, concurrency=1, max_bytes=1)
    put(batcher, owned, *(make_load(id) for id in ("1", "2", "3")))
    for calls in (1, 2, 3):
        request = await cluster.next()
        await turns()
        assert len(rows.calls) == calls
        request.answer(WRITTEN)
    await turns()

    assert owned.ids == ["1", "2", "3"]


async def test_a_report_keeps_no_document(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, turns: Turns
) -> None:
    batcher = make()
    entries = owned.entries(make_load("1"))
    batcher.add_loads(entries)
    batcher.pump()
    (await cluster.next()).answer(WRITTEN)
    await turns()

    assert entries[0].action.body is None


async def test_while_elasticsearch_is_away_one_record_is_read_to_probe_with(
    make: MakeBatcher, make_load: MakeLoad, make_action: MakeAction, owned: Any, cluster: Any, rows: Rows,
    turns: Turns,
) -> None:  # fmt: skip
    batcher = make()
    batcher.add(owned.entries(make_action(id="a"), make_action(id="b")))
    batcher.pump()
    (await cluster.next()).answer(Trouble.UNSURE, problem=AWAY)
    # Retried once: two failures open the breaker.
    (await cluster.next()).answer(Trouble.UNSURE, problem=AWAY)
    await turns()
    assert batcher.is_open
    put(batcher, owned, make_load("1"), make_load("2"))
    await turns()
    assert rows.calls == []  # there are others to probe with

    await _settle_all_but_loads(cluster)
    (await cluster.next()).answer(WRITTEN)
    await turns()
    assert rows.calls == [["1", "2"]]


async def _settle_all_but_loads(cluster: Any) -> None:
    """Answer the probe."""
    request = await cluster.next()
    assert set(request.ids) <= {"a", "b"}
    request.answer(WRITTEN)


async def test_loads_alone_find_out_that_elasticsearch_is_back(
    make: MakeBatcher, make_load: MakeLoad, owned: Any, cluster: Any, rows: Rows, turns: Turns
) -> None:
    # Given an open breaker, and nothing to probe with but loads
    batcher = make()
    put(batcher, owned, make_load("1"))
    (await cluster.next()).answer(Trouble.UNSURE, problem=AWAY)
    (await cluster.next()).answer(Trouble.UNSURE, problem=AWAY)
    await turns()
    assert batcher.is_open
    (await cluster.next()).answer(rejected("mapper", "no"), problem=AWAY)
    put(batcher, owned, make_load("2"), make_load("3"))

    # When the next probe is due, then one record is read for it, and then the others
    probe = await cluster.next()
    assert (probe.ids, rows.calls[1:]) == (["2"], [["2"]])
    probe.answer(WRITTEN)
    assert (await cluster.next()).ids == ["3"]
