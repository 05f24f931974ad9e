"""What looks on sees every answer, and disturbs none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import Outcome
from tests.unit.worker.clock import Clock
from worker.actions import Action
from worker.answers import Settled
from worker.elastic import ProcessClient
from worker.gc_deletes import GcDeletes
from worker.superseded import SupersededRate
from worker.watched_writer import WatchedWriter
from worker.writer import BulkWriter

MakeAction = Callable[..., Action]
CREATED = {"index": {"status": 201, "result": "created", "_version": 1, "_seq_no": 0}}
SUPERSEDED = {"index": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}}
REJECTED = {"index": {"status": 400, "error": {"type": "t", "reason": "r"}}}


@pytest.fixture
async def gc_deletes(client: AsyncElasticsearch) -> AsyncIterator[GcDeletes]:
    """One that expects an hour."""
    made = GcDeletes(ProcessClient(client), "1h")
    yield made
    await made.close()


@pytest.fixture
def writer(client: AsyncElasticsearch, gc_deletes: GcDeletes, clock: Clock) -> WatchedWriter:
    """The writer on the client of this test."""
    return WatchedWriter(BulkWriter(ProcessClient(client)), gc_deletes, SupersededRate(clock))


def items(*answers: Any) -> dict[str, Any]:
    return {"took": 1, "errors": True, "items": list(answers)}


async def test_given_answers_then_only_indices_that_were_written_to_are_looked_at(
    writer: WatchedWriter, gc_deletes: GcDeletes, far_end: Any, make_action: MakeAction
) -> None:
    far_end.answer(items(CREATED, SUPERSEDED, REJECTED, {"index": {"status": 429}}))
    for _ in range(2):
        far_end.answer({})

    await writer.write([make_action(index=name) for name in ("new", "newer", "refused", "throttled")])
    assert gc_deletes._looking is not None
    await asyncio.wait_for(gc_deletes._looking, 5)

    assert gc_deletes.known == {"new", "newer"}
    assert sorted(asked[1].split("/")[1] for asked in far_end.asked[1:]) == ["new", "newer"]


async def test_given_a_rate_out_of_the_ordinary_then_it_is_logged(
    writer: WatchedWriter, far_end: Any, make_action: MakeAction, clock: Clock, caplog: Any
) -> None:
    for _ in range(3):
        clock.now += 60.0
        far_end.answer(items(*[SUPERSEDED] * 20))
        reply = await writer.write([make_action() for _ in range(20)])
        assert reply.answers == [Settled(Outcome.SUPERSEDED)] * 20

    assert "60 of 60 writes of the last 10 minutes were superseded" in caplog.text


async def test_given_a_defect_of_what_looks_on_then_the_answers_stand(
    writer: WatchedWriter, far_end: Any, make_action: MakeAction, clock: Clock, caplog: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Clock, "__call__", lambda _: 1 / 0)
    far_end.answer(items(CREATED))

    reply = await writer.write([make_action()])

    assert reply.answers == [Settled(Outcome.CREATED, 1, 0)]
    assert "a defect of Penstock" in caplog.text
