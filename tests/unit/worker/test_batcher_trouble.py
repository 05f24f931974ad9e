"""What the batcher does with answers that are not final: again after a pause, again at once, in halves."""

from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.answers import Answer, Problem, Settled, Trouble, rejected

DONE = Settled(Outcome.CREATED)
TRANSIENT = [Trouble.THROTTLED, Trouble.UNAVAILABLE, Trouble.UNSURE]


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_given_a_transient_answer_then_it_is_tried_until_it_is_settled_after_growing_pauses(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    pauses: Any,
    make_action: MakeAction,
    trouble: Trouble,
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="1"))

    for _ in range(4):
        (await cluster.next()).answer(trouble)
    last = await cluster.next()
    assert owned.ids == []
    last.answer(DONE)
    await batcher.drain(5)

    assert owned.settlements == [("1", DONE, "b-5")]
    assert owned.attempts == {"1": 5}
    assert pauses.asked == [1, 2, 3, 4]
    assert batcher.counts.troubles == 4


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_given_one_that_waits_for_its_next_try_then_others_go_on_and_its_document_stays_in_order(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    pauses: Any,
    make_action: MakeAction,
    trouble: Trouble,
    turns: Turns,
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a"))
    (await cluster.next()).answer(trouble)
    await turns()

    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    other = await cluster.next()
    await turns()

    assert other.ids == ["b"]
    assert cluster.quiet


async def test_given_a_mixed_answer_then_only_the_troubled_ones_are_sent_again(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=4)
    put(batcher, owned, *(make_action(id=id) for id in "abcd"))

    (await cluster.next()).answer(DONE, Trouble.THROTTLED, rejected("t", "r"), Trouble.UNAVAILABLE)
    again = await cluster.next()
    again.answer(DONE)
    await batcher.drain(5)

    assert again.ids == ["b", "d"]
    assert owned.ids == ["a", "c", "b", "d"]
    assert owned.attempts == {"a": 1, "b": 2, "c": 1, "d": 2}


async def test_given_a_transient_answer_then_the_log_says_how_many_why_and_no_document(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, caplog: Any
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(body=b"secret"), make_action(body=b"secret"))

    (await cluster.next()).answer(Trouble.UNSURE, problem=Problem("timeout", "no answer"))
    await cluster.next()

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "2 actions are tried again in 0.00 s (unsure, timeout: no answer)"


async def test_given_a_first_conflict_then_the_next_look_is_taken_at_once(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher()
    put(batcher, owned, make_action(id="1"))

    (await cluster.next()).answer(Trouble.CONFLICT)

    assert (await cluster.next()).ids == ["1"]
    assert pauses.asked == []


async def test_given_conflicts_again_and_again_then_the_pauses_grow(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="1"))

    for _ in range(5):
        (await cluster.next()).answer(Trouble.CONFLICT)
    await cluster.next()

    assert len(pauses.asked) == 4
    assert pauses.asked == sorted(set(pauses.asked))


async def test_given_a_conflict_beside_a_throttled_one_then_it_does_not_wait_for_that(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    pauses.seconds = 3600
    batcher = make_batcher()
    put(batcher, owned, make_action(id="throttled"), make_action(id="conflict"))

    (await cluster.next()).answer(Trouble.THROTTLED, Trouble.CONFLICT)

    assert (await cluster.next()).ids == ["conflict"]
    await turns()
    assert cluster.quiet


@pytest.mark.parametrize("size", [1, 2, 3, 8, 41])
@pytest.mark.parametrize("guilty", [0, -1])
async def test_given_a_refused_request_then_it_is_split_until_the_guilty_stands_alone(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    make_action: MakeAction,
    size: int,
    guilty: int,
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=size, max_in_flight=3)
    actions = [make_action() for _ in range(size)]
    put(batcher, owned, *actions)

    while batcher.unsettled:
        request = await cluster.next()
        refused = actions[guilty] in request.actions
        request.answer(Trouble.REFUSED if refused else DONE, problem=Problem("bad_request", "why"))
        await request.answered
        await turns()

    expected: dict[str, Answer] = {action.id: DONE for action in actions}
    expected[actions[guilty].id] = rejected("bad_request", "why")
    assert {id: settled for id, settled, _ in owned.settlements} == expected
    assert len(owned.settlements) == size
    assert batcher.counts.requests <= 1 + 2 * (size - 1).bit_length()


async def test_given_a_refused_request_when_it_is_split_then_no_later_write_overtakes_one_of_its_own(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9, max_in_flight=9)
    put(batcher, owned, make_action(id="a"), make_action(id="b"), make_action(id="a"))

    (await cluster.next()).answer(Trouble.REFUSED, problem=Problem("t", "r"))
    halves = [await cluster.next(), await cluster.next()]
    await turns()

    assert [half.ids for half in halves] == [["a"], ["b"]]
    assert cluster.quiet


async def test_given_halves_when_one_is_throttled_then_it_is_tried_again_like_any_other(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=2)
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    (await cluster.next()).answer(Trouble.REFUSED, problem=Problem("t", "r"))
    first, second = await cluster.next(), await cluster.next()

    first.answer(Trouble.THROTTLED)
    second.answer(Trouble.REFUSED, problem=Problem("t", "r"))
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert {id: settled for id, settled, _ in owned.settlements} == {"a": DONE, "b": rejected("t", "r")}
    assert owned.attempts == {"a": 3, "b": 2}
