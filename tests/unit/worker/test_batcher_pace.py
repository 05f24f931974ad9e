"""How the batcher keeps to the pace of the cluster: its limit, what it learns, the silence asked for."""

import asyncio
import random
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.answers import Away, Problem, Settled, Trouble
from worker.backoff import Backoff
from worker.batcher import Batcher, Limits
from worker.entry import Entry

DONE = Settled(Outcome.CREATED)


async def test_given_a_fresh_batcher_then_one_request_leaves_and_the_others_gather(
    cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = Batcher("b", cluster.write, Limits(500, 10**6, 4), Backoff(0.1, 5, random.random))

    put(batcher, owned, make_action(id="alone"))
    for n in range(9):
        put(batcher, owned, make_action(id=str(n)))
    first = await cluster.next()
    await turns()
    assert (first.ids, cluster.quiet) == (["alone"], True)

    first.answer(DONE)
    gathered = await cluster.next()
    gathered.answer(DONE)
    await batcher.drain(5)
    assert gathered.ids == [str(n) for n in range(9)]


async def test_given_a_limit_that_changes_then_as_many_requests_are_in_flight(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    fixed_limit: Any,
    make_action: MakeAction,
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=9, concurrency=fixed_limit)
    put(batcher, owned, *(make_action() for _ in range(12)))
    await turns()
    assert cluster.under_way == 2

    fixed_limit.limit = 5
    (await cluster.next()).answer(DONE)
    await turns()
    assert cluster.under_way == 5

    fixed_limit.limit = 1
    while cluster.under_way > 1:
        (await cluster.next()).answer(DONE)
        await turns()
    (await cluster.next()).answer(DONE)
    await turns()
    assert cluster.under_way == 1


async def test_given_answers_then_only_requests_that_were_full_in_full_slots_say_so(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, fixed_limit: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=2, concurrency=fixed_limit)
    put(batcher, owned, *(make_action() for _ in range(5)))

    for _ in range(3):
        (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    # The first left into an empty cluster; the last held what was left.
    assert fixed_limit.learnt == [(2, False, False), (2, True, False), (1, False, False)]


@pytest.mark.parametrize(
    ("answers", "problem", "trouble"),
    [
        ([DONE, DONE], Problem(), False),
        ([DONE, Trouble.THROTTLED], Problem(), True),
        ([DONE, Trouble.UNAVAILABLE], Problem(), False),
        ([DONE, Trouble.CONFLICT], Problem(), False),
        ([Trouble.THROTTLED], Problem("rejected", "queue full"), True),
        ([Trouble.UNSURE], Problem("timeout", "20 s", Away.MAYBE), True),
        ([Trouble.REFUSED], Problem("bad", "request"), False),
    ],
)
async def test_given_throttling_or_silence_then_the_limit_hears_of_it(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    fixed_limit: Any,
    pauses: Any,
    make_action: MakeAction,
    turns: Turns,
    answers: list[Any],
    problem: Problem,
    trouble: bool,
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher(concurrency=fixed_limit)
    put(batcher, owned, make_action(), make_action())

    (await cluster.next()).answer(*answers, problem=problem)
    await turns()

    assert fixed_limit.learnt == [(2, False, trouble)]


@pytest.mark.parametrize(("trouble", "patient"), [(Trouble.THROTTLED, 1), (Trouble.UNSURE, 0)])
async def test_given_throttling_then_the_pause_has_a_floor(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    pauses: Any,
    make_action: MakeAction,
    trouble: Trouble,
    patient: int,
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action())

    (await cluster.next()).answer(trouble)
    await cluster.next()

    assert (pauses.patient, len(pauses.asked)) == (patient, 1)


@pytest.mark.parametrize("away", [Away.NO, Away.YES], ids=["429", "503"])
async def test_given_a_wish_for_silence_then_nothing_leaves_until_it_is_over(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    make_action: MakeAction,
    turns: Turns,
    caplog: Any,
    away: Away,
) -> None:
    loop = asyncio.get_running_loop()
    batcher = make_batcher(max_actions=1, max_in_flight=2)
    put(batcher, owned, make_action(id="a"), make_action(id="b"), make_action(id="c"))
    first, second = await cluster.next(), await cluster.next()

    asked_at = loop.time()
    first.answer(Trouble.THROTTLED, problem=Problem("too_many", "wait", away, retry_after=0.05))
    await turns()
    second.answer(DONE)
    await turns()
    put(batcher, owned, make_action(id="d"))
    assert cluster.quiet

    third = await cluster.next()
    assert loop.time() - asked_at >= 0.049
    assert third.ids == ["c"]
    assert "tried again in 0.05 s (throttled, too_many: wait)" in caplog.text


async def test_given_a_wish_for_silence_when_drained_then_it_is_not_waited_for(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    draining = asyncio.create_task(batcher.drain(3600))

    (await cluster.next()).answer(Trouble.THROTTLED, problem=Problem("t", "r", retry_after=60))
    async with asyncio.timeout(5):
        await draining

    assert (batcher.unsettled, owned.ids) == (2, [])


async def test_given_an_answer_then_the_next_request_leaves_before_its_owners_are_told(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=250, max_in_flight=1)
    put(batcher, owned, *(make_action(id=str(n)) for n in range(500)))
    first = await cluster.next()

    first.answer(DONE)
    await cluster.next()
    assert len(owned.ids) < 250
    await turns()

    assert owned.ids == [str(n) for n in range(250)]


async def test_given_answers_that_are_being_worked_through_when_cut_then_all_of_them_are_told(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=1000, max_in_flight=1)
    put(batcher, owned, *(make_action() for _ in range(1000)))
    request = await cluster.next()
    told: list[int] = []
    first_is_told = asyncio.Event()

    def settled(entry: Entry, settled: Settled, batch: str) -> None:
        told.append(entry.position)
        first_is_told.set()

    owned.settled = settled
    request.answer(DONE)
    await first_is_told.wait()
    assert len(told) < 1000

    await batcher.drain(0)

    assert told == list(range(1000))
    assert batcher.unsettled == 0
