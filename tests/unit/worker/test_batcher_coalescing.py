"""Plain writes that a later one overtakes in the buffer: each has its own, truthful report."""

from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import ActionKind
from worker.answers import Problem, Settled, Trouble, rejected

DONE = Settled(Outcome.UPDATED, 9, 8)
OVERTAKEN = Settled(Outcome.SUPERSEDED)


class Owner:
    """Remembers what became of each action, by its number."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Settled, int, str]] = []

    def settled(self, entry: Any, settled: Settled, batch: str) -> None:
        self.told.append((entry.action.number, settled, entry.attempts, batch))


@pytest.fixture
def owner(owned: Any) -> Owner:
    """The owner of all entries of this test."""
    owner = Owner()
    owned.settled = owner.settled
    return owner


async def test_given_writes_to_one_document_then_the_last_is_sent_and_each_has_its_own_outcome(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, *(make_action(id="a", number=n) for n in (1, 2, 3)))

    request = await cluster.next()
    request.answer(DONE)
    await batcher.drain(5)

    assert [action.number for action in request.actions] == [3]
    assert owner.told == [(1, OVERTAKEN, 0, "b-1"), (2, OVERTAKEN, 0, "b-1"), (3, DONE, 1, "b-1")]
    assert (batcher.counts.actions, batcher.counts.coalesced) == (1, 2)


async def test_given_the_last_write_rejected_then_the_one_before_it_is_sent_and_none_is_lost(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, *(make_action(id="a", number=n) for n in (1, 2, 3)))

    (await cluster.next()).answer(rejected("t", "r"))
    again = await cluster.next()
    again.answer(DONE)
    await batcher.drain(5)

    assert [action.number for action in again.actions] == [2]
    assert owner.told == [
        (3, rejected("t", "r"), 1, "b-1"),
        (1, OVERTAKEN, 0, "b-2"),
        (2, DONE, 1, "b-2"),
    ]


async def test_given_the_guilty_action_of_a_refused_request_then_the_write_that_it_overtook_is_sent(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a", number=1), make_action(id="a", number=2))

    (await cluster.next()).answer(Trouble.REFUSED, problem=Problem("t", "r"))
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert owner.told == [(2, rejected("t", "r"), 1, "b-1"), (1, DONE, 1, "b-2")]


async def test_given_a_newer_write_by_somebody_else_then_both_are_superseded(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a", number=1), make_action(id="a", number=2))

    (await cluster.next()).answer(Settled(Outcome.SUPERSEDED))
    await batcher.drain(5)

    assert [told[:2] for told in owner.told] == [(1, OVERTAKEN), (2, OVERTAKEN)]


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.UNAVAILABLE, Trouble.UNSURE])
async def test_given_a_trouble_then_no_report_is_given_and_a_still_later_write_goes_in_their_place(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    owner: Owner,
    make_action: MakeAction,
    turns: Turns,
    trouble: Trouble,
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a", number=1), make_action(id="a", number=2))
    request = await cluster.next()
    put(batcher, owned, make_action(id="a", number=3))

    request.answer(trouble)
    again = await cluster.next()
    assert owner.told == []
    again.answer(DONE)
    await batcher.drain(5)

    assert [action.number for action in again.actions] == [3]
    assert [told[:3] for told in owner.told] == [(1, OVERTAKEN, 0), (2, OVERTAKEN, 1), (3, DONE, 1)]


async def test_given_a_write_that_waits_until_visible_then_the_one_that_overtakes_it_does(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a", number=1, wait_until_visible=True), make_action(id="a", number=2))

    request = await cluster.next()

    assert [(action.number, action.wait_until_visible) for action in request.actions] == [(2, True)]


async def test_given_an_update_in_between_then_all_three_are_sent_one_after_the_other(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    kinds = (ActionKind.INDEX, ActionKind.UPDATE, ActionKind.INDEX)
    put(batcher, owned, *(make_action(kind, id="a", number=n) for n, kind in enumerate(kinds, 1)))

    for number in (1, 2, 3):
        request = await cluster.next()
        assert [action.number for action in request.actions] == [number]
        request.answer(DONE)
    await batcher.drain(5)

    assert [told[:3] for told in owner.told] == [(1, DONE, 1), (2, DONE, 1), (3, DONE, 1)]


async def test_given_no_answer_when_drained_then_neither_of_them_is_reported(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, owner: Owner, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a", number=1), make_action(id="a", number=2))
    await cluster.next()

    await batcher.drain(0)

    assert (owner.told, batcher.unsettled) == ([], 2)
