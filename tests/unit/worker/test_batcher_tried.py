"""Whether everything has been sent and answered once: what goes round in retries is not waited for."""

import asyncio
from typing import Any

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns, put
from worker.actions import ActionKind
from worker.answers import Settled, Trouble
from worker.batcher import Batcher

DONE = Settled(Outcome.CREATED)


async def is_tried(batcher: Batcher, turns: Turns) -> bool:
    waiting = asyncio.ensure_future(batcher.tried())
    await turns()
    waiting.cancel()
    return waiting.done()


async def test_given_nothing_then_there_is_nothing_to_wait_for(
    make_batcher: MakeBatcher, turns: Turns
) -> None:
    assert await is_tried(make_batcher(), turns)


async def test_given_a_request_when_it_is_answered_then_whoever_waits_goes_on(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action())
    request = await cluster.next()
    waiting = asyncio.ensure_future(batcher.tried())
    await turns()
    assert not waiting.done()

    request.answer(DONE)

    await asyncio.wait_for(waiting, 5)


async def test_given_more_than_may_be_sent_then_what_is_ready_is_waited_for(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher(max_actions=1, max_in_flight=1)
    put(batcher, owned, make_action(), make_action())

    (await cluster.next()).answer(DONE)
    assert not await is_tried(batcher, turns)
    (await cluster.next()).answer(DONE)

    assert await is_tried(batcher, turns)


async def test_given_an_action_that_can_not_settle_then_it_is_waited_for_once_and_what_is_behind_it_not(
    make_batcher: MakeBatcher, cluster: Any, owned: Any, make_action: MakeAction, turns: Turns
) -> None:
    batcher = make_batcher()
    put(batcher, owned, make_action(id="stuck"))
    first = await cluster.next()
    put(batcher, owned, make_action(ActionKind.UPDATE, id="stuck"))
    assert not await is_tried(batcher, turns)

    first.answer(Trouble.UNAVAILABLE)
    again = await cluster.next()

    assert await is_tried(batcher, turns)
    put(batcher, owned, make_action(id="new"))
    assert not await is_tried(batcher, turns)
    (await cluster.next()).answer(DONE)
    assert await is_tried(batcher, turns)
    assert not again.answered.done()
