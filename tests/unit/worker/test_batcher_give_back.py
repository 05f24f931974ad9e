"""What sleeps before another try when its index is held: its jobs are given back, all else stays."""

from typing import Any

from jobs import Outcome
from jobs.envelope import document_key, index_key
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import Action, ActionKind
from worker.answers import Settled, Trouble

DONE = Settled(Outcome.CREATED)
HELD = {index_key("held")}


async def test_what_sleeps_on_a_held_index_is_let_go_of_with_what_is_behind_it(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    pauses.seconds = 0.2

    def action(number: int, index: str, id: str) -> Action:
        key = document_key(index, id)
        return make_action(ActionKind.DELETE, index=index, id=id, key=key, number=number)

    batcher = make_batcher(max_actions=9)
    put(batcher, owned, action(1, "held", "a"), action(2, "other", "a"), action(3, "held", "b"))
    put(batcher, owned, action(4, "held", "b"), action(5, "other", "a"))
    (await cluster.next()).answer(Trouble.THROTTLED)
    await turns()

    given_back = batcher.give_back(HELD)

    assert [entry.action.number for entry in given_back] == [1, 3, 4]
    assert batcher.unsettled == 2
    assert batcher.give_back(HELD) == []
    while batcher.unsettled:
        (await cluster.next()).answer(DONE)
        await turns()
    assert owned.ids == ["a", "a"]


async def test_what_can_not_be_given_back_stays(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=9)
    (entry,) = owned.entries(make_action(index="held", id="a", key=document_key("held", "a")))
    entry.parkable = False
    batcher.add([entry])
    batcher.pump()
    (await cluster.next()).answer(Trouble.THROTTLED)
    await turns()

    assert batcher.give_back(HELD) == []
    (await cluster.next()).answer(DONE)
    await turns()
    assert owned.ids == ["a"]


async def test_a_job_of_several_actions_goes_as_a_whole_or_stays_with_all_that_shares_a_document(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, pauses: Any, make_action: MakeAction, turns: Turns
) -> None:
    pauses.seconds = 0.2

    def action(number: int, id: str) -> Action:
        key = document_key("held", id)
        return make_action(ActionKind.DELETE, index="held", id=id, key=key, number=number)

    batcher = make_batcher(max_actions=2)
    whole = owned.entries(action(1, "a"), action(2, "b"))
    cut = owned.entries(action(3, "c"), action(4, "d"))
    for job in (whole, cut):
        for entry in job:
            entry.parkable, entry.siblings = False, job
    behind = owned.entries(action(5, "a"), action(6, "c"))
    batcher.add([*whole, *cut, *behind])
    batcher.pump()
    (await cluster.next()).answer(Trouble.THROTTLED)
    (await cluster.next()).answer(DONE, Trouble.THROTTLED)
    await turns()

    given_back = batcher.give_back(HELD)

    assert [entry.action.number for entry in given_back] == [1, 2, 5]
    while batcher.unsettled:
        (await cluster.next()).answer(DONE)
        await turns()
    assert sorted(owned.ids) == ["c", "c", "d"]
