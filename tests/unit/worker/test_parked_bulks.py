"""Bulks on an index that takes no writes, from the claim to the parking: they take no room in the worker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from jobs import Outcome
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns
from worker.actions import Action
from worker.answers import Blocked, Settled
from worker.batcher import Batcher
from worker.cancelling import end_tasks
from worker.claims import Claimed
from worker.delivery import Delivery
from worker.holding import Holding
from worker.parking import Parking

DONE = Settled(Outcome.CREATED)
FULL = Blocked("cluster_block_exception", "disk usage exceeded flood-stage watermark")


class Claims:
    """Redis, for the parking: it parks at once, and nothing comes back."""

    def __init__(self) -> None:
        self.parked = 0

    async def park(self, target: str, why: bytes, jobs: Sequence[Claimed]) -> int:
        self.parked += len(jobs)
        return len(jobs)

    async def probe_parked(self, seconds: float) -> set[str]:
        return set()


@dataclass
class Worker:
    """What a worker does with claimed bulks; there is room for ten."""

    batcher: Batcher
    parking: Parking
    holding: Holding
    claims: Any
    claimed: int = 0

    async def claim(self, *actions: Action) -> None:
        """Claim one bulk of these actions as soon as there is room."""
        await self.holding.room()
        self.claimed += 1
        keys = " ".join(action.key for action in actions).encode()
        claimed = Claimed(b"%d" % self.claimed, 1.0, b"", keys, 0)
        self.holding.add(claimed)
        if not self.parking.takes(claimed, actions):
            self.batcher.add(Delivery(actions, _no_end, bulk=True, claimed=claimed).entries)
            self.batcher.pump()


@pytest.fixture
async def worker(make_batcher: MakeBatcher) -> AsyncIterator[Worker]:
    """The worker of this test, with parking at work."""
    claims: Any = Claims()
    holding = Holding(10, 10**6)
    parking = Parking(claims, holding)
    running = asyncio.create_task(parking.run())
    yield Worker(make_batcher(max_actions=4, on_blocked=parking.blocked), parking, holding, claims)
    await end_tasks([running])


async def test_bulks_on_a_blocked_index_do_not_fill_the_worker(
    worker: Worker, cluster: Any, make_action: MakeAction, turns: Turns
) -> None:
    async with asyncio.timeout(5):
        for _ in range(40):
            await worker.claim(make_action(index="full"), make_action(index="full"))
            await turns()
            while not cluster.quiet:
                (await cluster.next()).answer(FULL)
                await turns()

        # Then all are parked, and none is held
        while len(worker.holding):
            await turns()
    assert worker.claims.parked == 40


async def test_of_bulks_that_are_written_in_part_one_stays_to_see_and_the_others_are_parked(
    worker: Worker,
    cluster: Any,
    make_action: MakeAction,
    turns: Turns,
    pauses: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given one that stays: the action on another index was written
    now = 1000.0
    monkeypatch.setattr("worker.parking.monotonic", lambda: now)
    await worker.claim(make_action(index="good"), make_action(index="full"))
    (await cluster.next()).answer(DONE, FULL)

    # When more of its kind come, a second between them, while it is tried again and again
    pauses.seconds = 0.001
    for _ in range(20):
        (await cluster.next()).answer(FULL)
        await turns()
        now += 1
        await worker.claim(make_action(index="good"), make_action(index="full"))

    # Then each of them is parked, before anything of it is written
    async with asyncio.timeout(5):
        while len(worker.holding) > 1:
            await turns()
    assert worker.claims.parked == 20


def _no_end(*_: object) -> None:
    raise AssertionError("no bulk of these tests ends")
