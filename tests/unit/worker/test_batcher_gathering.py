"""What the batcher sends together, and when: at once while a slot is free, gathered while all are busy."""

from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import ActionKind
from worker.answers import Settled, rejected
from worker.batcher import Reply

DONE = Settled(Outcome.CREATED)


async def test_given_a_free_slot_when_something_is_added_then_it_leaves_at_once(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=500)

    put(batcher, owned, make_action(id="1"))
    request = await cluster.next()
    assert (request.ids, batcher.in_flight, batcher.unsettled) == (["1"], 1, 1)
    request.answer(DONE)
    await batcher.drain(5)

    assert owned.settlements == [("1", DONE, "b-1")]
    assert owned.attempts == {"1": 1}
    assert (batcher.in_flight, batcher.unsettled) == (0, 0)
    assert (batcher.counts.requests, batcher.counts.actions, batcher.counts.troubles) == (1, 1, 0)


async def test_given_busy_slots_when_more_is_added_then_it_gathers_and_leaves_with_the_first_free_one(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=3, max_in_flight=2)
    for n in range(2):
        put(batcher, owned, make_action(id=f"first-{n}"))
    first, _ = await cluster.next(), await cluster.next()

    for n in range(4):
        put(batcher, owned, make_action(id=str(n)))
    await turns()
    assert cluster.quiet
    assert cluster.under_way == 2

    first.answer(DONE)
    gathered = await cluster.next()
    await turns()
    assert gathered.ids == ["0", "1", "2"]
    assert cluster.quiet
    assert cluster.under_way == 2


async def test_given_many_when_added_together_then_they_are_cut_at_the_count(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=3, max_in_flight=9)

    put(batcher, owned, *(make_action(id=str(n)) for n in range(7)))

    assert [(await cluster.next()).ids for _ in range(3)] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


async def test_given_large_ones_when_added_together_then_they_are_cut_at_the_bytes(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    actions = [make_action(id=str(n), body=b"x" * size) for n, size in enumerate((100, 100, 5000, 100))]
    batcher = make_batcher(max_actions=9, max_bytes=2 * actions[0].line_bytes, max_in_flight=9)

    put(batcher, owned, *actions)

    assert [(await cluster.next()).ids for _ in range(3)] == [["0", "1"], ["2"], ["3"]]


async def test_given_many_requests_then_never_more_than_the_limit_are_under_way(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=3)
    put(batcher, owned, *(make_action() for _ in range(12)))

    for _ in range(12):
        request = await cluster.next()
        await turns()
        assert cluster.under_way == batcher.in_flight <= 3
        request.answer(DONE)
    await batcher.drain(5)

    assert len(owned.settlements) == 12


async def test_given_writes_to_one_document_then_each_waits_for_the_answer_to_the_one_before(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9, max_in_flight=9)
    a1, a2, a3 = (
        make_action(kind, id="a") for kind in (ActionKind.INDEX, ActionKind.UPDATE, ActionKind.DELETE)
    )
    b = make_action(id="b")

    put(batcher, owned, a1, a2, b, a3)
    first = await cluster.next()
    await turns()
    assert first.actions == [a1, b]
    assert cluster.quiet

    first.answer(DONE)
    second = await cluster.next()
    await turns()
    assert second.actions == [a2]
    assert cluster.quiet
    second.answer(rejected("t", "r"))
    assert (await cluster.next()).actions == [a3]


async def test_given_answers_then_each_goes_to_its_own_entry_by_position(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, *(make_action(id=id) for id in "abc"))
    answers = Settled(Outcome.UPDATED, 2, 3), rejected("t", "r"), Settled(Outcome.MISSING)

    (await cluster.next()).answer(*answers)
    await batcher.drain(5)

    assert owned.settlements == [(id, answer, "b-1") for id, answer in zip("abc", answers, strict=True)]


async def test_given_more_to_come_when_asked_for_full_requests_only_then_a_small_one_waits(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=2, max_in_flight=9)
    batcher.add(owned.entries(*(make_action(id=str(n)) for n in range(3))))

    batcher.pump(only_full=True)
    assert (await cluster.next()).ids == ["0", "1"]
    await turns()
    assert cluster.quiet

    batcher.pump()
    assert (await cluster.next()).ids == ["2"]


async def test_given_a_defect_that_one_action_sets_off_then_it_hurts_that_one_alone(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, caplog: Any
) -> None:
    batcher = make_batcher(max_actions=2, max_in_flight=1)
    put(batcher, owned, make_action(id="unlucky"), make_action(id="next"))

    (await cluster.next()).answered.set_exception(KeyError("items"))
    (await cluster.next()).answered.set_exception(KeyError("items"))
    following = await cluster.next()
    following.answer(DONE)
    await batcher.drain(5)

    assert following.ids == ["next"]
    assert owned.ids == ["unlucky", "next"]
    assert owned.settlements[0][1].type == "internal_error"
    assert owned.settlements[1][1] == DONE
    assert "KeyError: 'items'" in caplog.text


@pytest.mark.parametrize("answers", [0, 1, 3])
async def test_given_a_reply_of_another_length_then_no_action_gets_anothers_answer_and_all_are_sent_again(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, caplog: Any, answers: int
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a"), make_action(id="b"))

    (await cluster.next()).answered.set_result(Reply([rejected("t", "r")] * answers))
    again = [await cluster.next(), await cluster.next()]
    assert ([request.ids for request in again], owned.ids) == ([["a"], ["b"]], [])
    for request in again:
        request.answer(DONE)
    await batcher.drain(5)

    assert sorted(settlement[:2] for settlement in owned.settlements) == [("a", DONE), ("b", DONE)]
    assert f"{answers} answers to 2 actions" in caplog.text
