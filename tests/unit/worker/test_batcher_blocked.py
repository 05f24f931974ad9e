"""Actions whose index takes no writes: they leave the batcher for whoever takes them, and others go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import ActionKind
from worker.answers import Blocked, Settled, Trouble
from worker.entry import Entry

DONE = Settled(Outcome.CREATED)
FULL = Blocked("cluster_block_exception", "disk usage exceeded flood-stage watermark")


@dataclass
class Parked:
    """Who takes blocked entries."""

    given: list[tuple[list[int], str, Blocked]] = field(default_factory=list)

    def __call__(self, entries: Sequence[Entry], index: str, why: Blocked, again_seconds: float) -> None:
        self.given.append(([entry.action.number for entry in entries], index, why))


@pytest.fixture
def parked() -> Parked:
    """Takes the blocked entries of this test."""
    return Parked()


async def test_given_a_blocked_index_then_its_entries_leave_unsettled_and_the_others_are_written(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, parked: Parked, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9, on_blocked=parked)
    indices = ["full", "good", "full", "closed"]
    put(
        batcher, owned, *(make_action(index=index, id=f"{n}", number=n) for n, index in enumerate(indices, 1))
    )
    forbidden = Blocked("security_exception", "no right")

    (await cluster.next()).answer(FULL, DONE, FULL, forbidden)
    await turns()

    assert owned.ids == ["2"]
    assert parked.given == [([1, 3], "index:full", FULL), ([4], "index:closed", forbidden)]
    assert batcher.unsettled == 0


async def test_given_writes_behind_a_blocked_one_then_they_leave_with_it_in_their_order(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, parked: Parked, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9, max_in_flight=1, on_blocked=parked)
    kinds = [ActionKind.INDEX, ActionKind.INDEX, ActionKind.UPDATE, ActionKind.DELETE]
    put(
        batcher,
        owned,
        *(make_action(kind, id="a", number=n) for n, kind in zip((1, 3, 5, 7), kinds, strict=True)),
    )
    put(batcher, owned, make_action(id="b", number=2))
    request = await cluster.next()
    put(batcher, owned, make_action(id="a", number=9))
    assert [action.number for action in request.actions] == [3], "the first one is kept back"

    request.answer(FULL)
    other = await cluster.next()
    other.answer(FULL)
    await turns()

    assert parked.given == [([1, 3, 5, 7, 9], "index:i", FULL), ([2], "index:i", FULL)]
    assert (cluster.quiet, batcher.unsettled, owned.ids) == (True, 0, [])


async def test_given_entries_that_have_left_when_they_come_again_then_they_are_sent(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, parked: Parked, turns: Turns
) -> None:
    batcher = make_batcher(on_blocked=parked)
    action = make_action(id="a")
    put(batcher, owned, action)
    (await cluster.next()).answer(FULL)
    await turns()

    put(batcher, owned, action)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert owned.ids == ["a"]


async def test_given_nobody_to_take_them_then_they_are_tried_again_after_patient_pauses(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, pauses: Any, caplog: Any
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a"))

    for _ in range(3):
        (await cluster.next()).answer(FULL)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert owned.settlements == [("a", DONE, "b-4")]
    assert (pauses.asked, pauses.patient) == ([1, 2, 3], 3)
    assert caplog.messages[0] == (
        "1 actions are tried again in 0.00 s (blocked, cluster_block_exception: "
        "disk usage exceeded flood-stage watermark)"
    )


async def test_given_a_bulks_action_in_the_lane_then_it_is_tried_again_and_not_given_back(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, parked: Parked, pauses: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_in_flight=1, on_blocked=parked)
    alone, of_a_bulk = owned.entries(make_action(id="a"), make_action(ActionKind.UPDATE, id="a"))
    of_a_bulk.parkable = False
    batcher.add([alone, of_a_bulk])
    batcher.pump()

    (await cluster.next()).answer(FULL)
    (await cluster.next()).answer(DONE)
    (await cluster.next()).answer(DONE)
    await batcher.drain(5)

    assert (parked.given, pauses.patient) == ([([], "index:i", FULL)], 1), "it is told of the block"
    assert [settled.outcome for _, settled, _ in owned.settlements] == [Outcome.CREATED] * 2


async def test_given_a_block_while_it_drains_then_the_entries_stay_with_their_owner(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, parked: Parked, turns: Turns
) -> None:
    batcher = make_batcher(max_in_flight=1, on_blocked=parked)
    put(batcher, owned, make_action(id="a"))
    request = await cluster.next()
    draining = batcher.drain(5)
    request.answer(FULL)
    await draining

    assert (parked.given, batcher.unsettled) == ([], 1)


async def test_given_a_block_then_it_opens_no_breaker_and_does_not_count_as_throttling(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    make_action: MakeAction,
    fixed_limit: Any,
    parked: Parked,
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=1, concurrency=fixed_limit, on_blocked=parked)
    put(batcher, owned, *(make_action() for _ in range(9)))

    for _ in range(9):
        (await cluster.next()).answer(FULL)
        await turns()
        assert not batcher.is_open

    assert not any(trouble for _, _, trouble in fixed_limit.learnt)
    assert len(parked.given) == 9


async def test_given_a_throttled_one_beside_a_blocked_one_then_each_goes_its_own_way(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, parked: Parked
) -> None:
    batcher = make_batcher(on_blocked=parked)
    put(batcher, owned, make_action(id="a", number=1), make_action(id="b", number=2))

    (await cluster.next()).answer(Trouble.THROTTLED, FULL)
    again = await cluster.next()
    again.answer(DONE)
    await batcher.drain(5)

    assert (again.ids, owned.ids) == (["a"], ["a"])
    assert parked.given == [([2], "index:i", FULL)]
