"""An action that makes Elasticsearch answer a whole request with 500 is sent alone; others get through."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker import breaker
from worker.actions import Action
from worker.answers import Away, Problem, Settled, Trouble
from worker.batcher import Batcher

DONE = Settled(Outcome.CREATED)
DEFECT = Problem("null_pointer_exception", "why", Away.MAYBE)
GONE = Problem("connection", "refused", Away.YES)


@pytest.fixture(autouse=True)
def short_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes come a hundred times a second, so that these tests need not wait for them."""
    monkeypatch.setattr(breaker, "_PROBE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(breaker, "_FIRST_PROBE_AFTER_SECONDS", 0.001)


async def answer(request: Any, guilty: Callable[[Action], bool], turns: Turns) -> None:
    """500 to a request with a guilty action in it."""
    if any(map(guilty, request.actions)):
        request.answer(Trouble.FAILED, problem=DEFECT)
    else:
        request.answer(DONE)
    await turns()


async def stands_alone(cluster: Any, batcher: Batcher, owned: Any, turns: Turns, guilty: Action) -> None:
    """Put a guilty action in and let it fail by itself."""
    put(batcher, owned, guilty)
    (await cluster.next()).answer(Trouble.FAILED, problem=DEFECT)
    await turns()


@pytest.mark.parametrize("size", [1, 2, 3, 8, 41])
@pytest.mark.parametrize("guilty", [0, -1])
async def test_a_request_is_halved_until_the_guilty_one_is_sent_alone_and_never_rejected(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    pauses: Any,
    make_action: MakeAction,
    size: int,
    guilty: int,
    turns: Turns,
) -> None:
    # Given a request with one guilty action
    batcher = make_batcher(max_actions=size, max_in_flight=3)
    actions = [make_action() for _ in range(size)]
    put(batcher, owned, *actions)

    # When it has failed several times by itself
    while len(pauses.asked) < 4:
        await answer(await cluster.next(), lambda action: action is actions[guilty], turns)
        assert not batcher.is_open

    # Then all others have their answers, after few requests, and it is tried until it has one as well
    assert sorted(owned.ids) == sorted(action.id for action in actions if action is not actions[guilty])
    assert batcher.counts.requests <= 4 + 2 * (size - 1).bit_length() + 1
    assert pauses.patient == 4
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)
    assert {settled for _, settled, _ in owned.settlements} == {DONE}
    assert len(owned.settlements) == size


async def test_what_has_failed_by_itself_travels_with_nobody_afterwards(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9, max_in_flight=1)
    await stands_alone(cluster, batcher, owned, turns, make_action(id="guilty"))

    put(batcher, owned, *(make_action(id=id) for id in "abc"))

    first, second = await answered(cluster, turns), await answered(cluster, turns)
    assert sorted([first, second]) == [["a", "b", "c"], ["guilty"]]


async def answered(cluster: Any, turns: Turns) -> list[str]:
    """Let the next request succeed; the documents in it."""
    request = await cluster.next()
    request.answer(DONE)
    await turns()
    ids: list[str] = request.ids
    return ids


async def test_those_that_fail_by_themselves_and_the_others_take_turns(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    for number in range(2):  # three in a row would open the breaker
        await stands_alone(cluster, batcher, owned, turns, make_action(id=f"guilty{number}"))
    blocking = await cluster.next()
    put(batcher, owned, *(make_action(id=str(n)) for n in range(4)))
    await turns()
    blocking.answer(Trouble.FAILED, problem=DEFECT)

    sent = []
    for _ in range(8):
        request = await cluster.next()
        sent += request.ids
        await answer(request, lambda action: action.id.startswith("guilty"), turns)

    assert [id for id in sent if not id.startswith("guilty")] == ["0", "1", "2", "3"]
    assert [id.startswith("guilty") for id in sent] == [True, False] * 4


async def test_it_may_fail_for_ever_and_the_breaker_stays_closed(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action())

    for _ in range(20):
        (await cluster.next()).answer(Trouble.FAILED, problem=DEFECT)
        await turns()
        assert not batcher.is_open
        assert batcher.accepting.is_set()


async def test_a_cluster_that_answers_everything_with_500_is_away(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=500, max_in_flight=1)
    put(batcher, owned, *(make_action() for _ in range(100)))

    for _ in range(3):
        (await cluster.next()).answer(Trouble.FAILED, problem=DEFECT)
        await turns()

    assert batcher.is_open
    assert not batcher.accepting.is_set()
    assert (await cluster.next()).actions
    assert cluster.quiet


async def test_where_only_guilty_ones_are_left_to_probe_with_jobs_are_claimed_and_close_the_breaker(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    # Given one that fails by itself, and an outage on top of it
    batcher = make_batcher(max_in_flight=1)
    await stands_alone(cluster, batcher, owned, turns, make_action(id="guilty"))
    while not batcher.is_open:
        (await cluster.next()).answer(Trouble.UNSURE, problem=GONE)
        await turns()

    # When it is the probe of a cluster that is back
    probe = await cluster.next()
    assert (probe.ids, batcher.accepting.is_set()) == (["guilty"], True)
    probe.answer(Trouble.FAILED, problem=DEFECT)
    await turns()
    assert batcher.is_open
    put(batcher, owned, make_action(id="innocent"))

    # Then a job claimed meanwhile is the one that closes the breaker
    while not owned.ids:
        await answer(await cluster.next(), lambda action: action.id == "guilty", turns)
    assert owned.ids == ["innocent"]
    assert not batcher.is_open


async def test_a_later_write_of_the_whole_document_takes_its_place(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher()
    guilty = make_action(id="a", body=b"bad")
    await stands_alone(cluster, batcher, owned, turns, guilty)
    put(batcher, owned, make_action(id="a", body=b"good"))

    async with asyncio.timeout(5):
        while batcher.unsettled:
            await answer(await cluster.next(), lambda action: action is guilty, turns)

    assert [settled.outcome for _, settled, _ in owned.settlements] == [Outcome.SUPERSEDED, Outcome.CREATED]


async def test_its_500s_slow_nobody_down(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    make_action: MakeAction,
    fixed_limit: Any,
    turns: Turns,
) -> None:
    batcher = make_batcher(concurrency=fixed_limit)
    await stands_alone(cluster, batcher, owned, turns, make_action())
    (await cluster.next()).answer(Trouble.FAILED, problem=DEFECT)
    await turns()

    assert fixed_limit.learnt == [(1, False, False)] * 2


async def test_the_log_names_the_document_once_the_pause_and_the_reason(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns, caplog: Any
) -> None:
    batcher = make_batcher()
    await stands_alone(cluster, batcher, owned, turns, make_action(id="guilty", body=b"secret"))
    (await cluster.next()).answer(Trouble.FAILED, problem=DEFECT)
    await turns()

    again = "1 actions are tried again in 0.00 s (failed, null_pointer_exception: why)"
    named = "Elasticsearch fails at i/guilty (null_pointer_exception): it is sent alone from now on"
    assert caplog.messages == [named, again, again]


async def test_a_stop_does_not_wait_for_it(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher()
    await stands_alone(cluster, batcher, owned, turns, make_action())

    async with asyncio.timeout(5):
        await batcher.drain(3600)

    assert (batcher.unsettled, owned.ids) == (1, [])


async def test_what_has_failed_in_an_outage_travels_with_others_when_it_is_over(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns, caplog: Any
) -> None:
    # Given an outage that is answered with 500, and every action a probe once
    batcher = make_batcher(max_actions=500, max_in_flight=1)
    put(batcher, owned, *(make_action(id=str(n)) for n in range(4)))
    probed: set[str] = set()
    while probed != {"0", "1", "2", "3"}:
        request = await cluster.next()
        if batcher.is_open:
            probed |= set(request.ids)
        request.answer(Trouble.FAILED, problem=DEFECT)
        await turns()

    # When it is over
    put(batcher, owned, make_action(id="new"))
    requests = batcher.counts.requests
    while len(owned.ids) < 5:
        await answered(cluster, turns)

    # Then all but the probe that has found it out travel together
    assert batcher.counts.requests - requests <= 3
    assert not [line for line in caplog.messages if "sent alone" in line]
