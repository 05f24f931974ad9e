"""The batcher while the cluster is away: nothing but probes, no timers, and all at once when it is back."""

import asyncio
import logging
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker import breaker
from worker.actions import ActionKind
from worker.answers import Away, Problem, Settled, Trouble
from worker.batcher import Batcher

DONE = Settled(Outcome.CREATED)
REFUSED = Problem("connection", "refused", Away.YES)


@pytest.fixture(autouse=True)
def short_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes come a hundred times a second, so that these tests need not wait for them."""
    monkeypatch.setattr(breaker, "_PROBE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(breaker, "_FIRST_PROBE_AFTER_SECONDS", 0.001)


async def outage(cluster: Any, batcher: Batcher) -> None:
    """Let requests fail until the breaker is open."""
    while not batcher.is_open:
        request = await cluster.next()
        request.answer(Trouble.UNSURE, problem=REFUSED)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_given_a_cluster_that_is_away_then_one_probe_of_one_action_leaves_at_a_time(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=500, max_in_flight=4)
    put(batcher, owned, *(make_action(id=str(n)) for n in range(50)))
    await outage(cluster, batcher)

    for _ in range(5):
        probe = await cluster.next()
        put(batcher, owned, make_action())
        await turns()
        assert (len(probe.actions), cluster.under_way, cluster.quiet) == (1, 1, True)
        probe.answer(Trouble.UNSURE, problem=REFUSED)
    assert owned.ids == []


async def test_given_a_probe_that_is_answered_then_everything_leaves_at_once_in_its_order(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=500, max_in_flight=1)
    documents = [str(n) for n in range(20)]
    put(batcher, owned, *(make_action(id=id) for id in documents))
    put(batcher, owned, make_action(ActionKind.UPDATE, id="7"))
    await outage(cluster, batcher)
    pauses.seconds = 3600

    probe = await cluster.next()
    probe.answer(DONE)
    rest = await cluster.next()
    rest.answer(DONE)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert sorted([*probe.ids, *rest.ids], key=int) == documents
    assert owned.ids.count("7") == 2
    assert not batcher.is_open
    assert batcher.unsettled == 0


async def test_given_entries_that_slept_when_the_breaker_opens_and_closes_then_they_need_not_wait(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, make_action(id="throttled"))
    (await cluster.next()).answer(Trouble.THROTTLED)
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    await outage(cluster, batcher)

    sent = set()
    while len(sent) < 3:
        request = await cluster.next()
        sent.add(request.ids[0])
        request.answer(DONE)
        await turns()

    assert sent == {"throttled", "a", "b"}


async def test_given_an_outage_then_accepting_says_when_it_begins_and_ends(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, *(make_action() for _ in range(9)))
    assert batcher.accepting.is_set()
    await outage(cluster, batcher)
    assert not batcher.accepting.is_set()

    (await cluster.next()).answer(DONE)
    async with asyncio.timeout(5):
        await batcher.accepting.wait()


async def test_given_an_outage_then_no_trouble_is_counted_for_it_against_any_entry(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_in_flight=1)
    put(batcher, owned, make_action(id="a"))
    await outage(cluster, batcher)
    before = list(pauses.asked)
    for _ in range(5):
        (await cluster.next()).answer(Trouble.UNSURE, problem=REFUSED)

    (await cluster.next()).answer(Trouble.THROTTLED)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert pauses.asked == [*before, before[-1] + 1], "the pause is that of an entry with few troubles"
    assert owned.settlements[0][1] == DONE


async def test_given_an_outage_then_one_line_says_that_it_began_and_one_that_it_ended(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, caplog: Any
) -> None:
    batcher = make_batcher(max_in_flight=1)
    put(batcher, owned, make_action(body=b"secret"))
    await outage(cluster, batcher)
    with caplog.at_level(logging.INFO, "penstock"):
        caplog.clear()
        for _ in range(5):
            (await cluster.next()).answer(Trouble.UNSURE, problem=REFUSED)
        probe = await cluster.next()
        assert caplog.records == []
        probe.answer(DONE)
        async with asyncio.timeout(5):
            await batcher.accepting.wait()

    (record,) = caplog.records
    assert record.getMessage().startswith("Elasticsearch is back after 0.")


async def test_given_a_breaker_that_opens_then_the_log_says_why(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, caplog: Any
) -> None:
    batcher = make_batcher(max_in_flight=1)
    put(batcher, owned, make_action(body=b"secret"))

    await outage(cluster, batcher)

    assert caplog.messages[-1] == (
        "Elasticsearch is away (connection: refused): nothing is sent but one probe a second"
    )
    assert "secret" not in caplog.text


@pytest.mark.parametrize("answers", [[Trouble.UNAVAILABLE], [Trouble.THROTTLED], [Trouble.UNSURE]])
async def test_given_troubles_of_single_actions_then_the_breaker_stays_closed(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, answers: list[Trouble]
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action())

    for _ in range(9):
        (await cluster.next()).answer(*answers)
        assert not batcher.is_open


async def test_given_a_probe_that_hangs_then_it_is_cut_and_the_next_one_leaves(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    make_action: MakeAction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "_PROBE_SECONDS", 0.01)
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    await outage(cluster, batcher)

    probes = [await cluster.next() for _ in range(3)]
    assert len({id for probe in probes for id in probe.ids}) == 2, "not always the same document"
    (await cluster.next()).answer(DONE)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert sorted(owned.ids) == ["a", "b"]


async def test_given_halves_of_a_refused_request_when_the_cluster_is_away_then_one_is_the_probe(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=8, max_in_flight=1)
    put(batcher, owned, *(make_action(id=str(n)) for n in range(8)))
    (await cluster.next()).answer(Trouble.REFUSED, problem=Problem("bad", "request"))
    await outage(cluster, batcher)

    while batcher.unsettled:
        (await cluster.next()).answer(DONE)
        await turns()

    assert sorted(owned.ids) == [str(n) for n in range(8)]


async def test_given_a_cluster_that_is_away_when_drained_then_it_ends_at_once_and_nothing_is_settled(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=3)
    put(batcher, owned, *(make_action() for _ in range(9)))
    hanging = await cluster.next()
    await outage(cluster, batcher)

    async with asyncio.timeout(5):
        await batcher.drain(3600)
    await turns()

    assert (cluster.under_way, batcher.in_flight, batcher.unsettled) == (0, 0, 9)
    assert hanging.answered.cancelled()
    assert owned.ids == []


async def test_given_a_cluster_that_goes_away_while_it_drains_then_it_ends_at_once(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, *(make_action() for _ in range(9)))
    draining = asyncio.create_task(batcher.drain(3600))
    await outage(cluster, batcher)

    async with asyncio.timeout(5):
        await draining

    assert batcher.unsettled == 9
