"""The end of a batcher: what is ready leaves, answers are waited for up to a deadline, no try is repeated."""

import asyncio
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import ActionKind
from worker.answers import Settled, Trouble

DONE = Settled(Outcome.CREATED)


async def test_given_nothing_then_draining_ends_at_once(make_batcher: MakeBatcher) -> None:
    async with asyncio.timeout(5):
        await make_batcher().drain(3600)


async def test_given_more_than_fits_the_slots_when_drained_then_all_of_it_is_sent_and_settled(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    behind = make_action(ActionKind.UPDATE, id="a")
    put(batcher, owned, make_action(id="a"), make_action(id="b"), behind)

    draining = asyncio.create_task(batcher.drain(5))
    for _ in range(3):
        assert not draining.done()
        (await cluster.next()).answer(DONE)
    await draining

    assert owned.ids == ["a", "b", "a"]
    assert batcher.unsettled == 0


async def test_given_no_answer_when_drained_then_it_gives_up_at_the_deadline_and_cuts_the_request(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    await cluster.next()

    async with asyncio.timeout(5):
        await batcher.drain(0.05)

    assert (cluster.under_way, batcher.in_flight) == (0, 0)
    assert owned.ids == []
    assert batcher.unsettled == 2
    assert cluster.quiet, "nothing new is sent after the deadline"


async def test_given_no_time_when_drained_then_requests_are_cut_at_once(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action())
    await cluster.next()

    await batcher.drain(0)

    assert (cluster.under_way, batcher.in_flight, batcher.unsettled) == (0, 0, 1)


async def test_given_one_that_waits_for_its_next_try_when_drained_then_it_is_left_to_its_owner(
    make_batcher: MakeBatcher,
    cluster: Any,
    owned: Any,
    pauses: Any,
    make_action: MakeAction,
    turns: Turns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    start_timer, timers = loop.call_later, []

    def call_later(*arguments: Any) -> asyncio.TimerHandle:
        timers.append(start_timer(*arguments))
        return timers[-1]

    pauses.seconds = 3600
    batcher = make_batcher()
    put(batcher, owned, make_action(id="a"))
    request = await cluster.next()
    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_later", call_later)
        request.answer(Trouble.THROTTLED)
        await turns()
    (next_try,) = timers
    assert not next_try.cancelled()

    async with asyncio.timeout(5):
        await batcher.drain(3600)

    assert next_try.cancelled()
    assert cluster.quiet
    assert (owned.ids, batcher.unsettled) == ([], 1)


@pytest.mark.parametrize(
    "trouble", [Trouble.THROTTLED, Trouble.UNAVAILABLE, Trouble.UNSURE, Trouble.CONFLICT]
)
async def test_given_a_trouble_while_it_drains_then_nothing_is_tried_again_and_the_others_still_end(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, trouble: Trouble
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, make_action(id="a"), make_action(id="b"))
    draining = asyncio.create_task(batcher.drain(5))

    (await cluster.next()).answer(trouble)
    (await cluster.next()).answer(DONE)
    await draining

    assert owned.ids == ["b"]
    assert cluster.quiet
    assert batcher.unsettled == 1


async def test_given_a_drained_batcher_when_something_is_added_then_it_is_not_sent(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher()
    await batcher.drain(0)

    put(batcher, owned, make_action())
    await turns()

    assert cluster.quiet
    assert batcher.unsettled == 1
