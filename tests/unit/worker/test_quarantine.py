"""When suspects are run: as soon as nothing else runs for the first time, and not at the cost of others."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.worker.clock import Clock
from worker.claims import Claimed, Found
from worker.quarantine import Quarantine

SUSPECT = Claimed(b"1", 1.0, b"P1 1 k\n{}", b"k", 1)


class Process:
    """A worker's process and its side of Redis: what is run apart, and how often it was waited for."""

    def __init__(self) -> None:
        self.clock, self.busy = Clock(), False
        self.groups: list[list[Claimed]] = []
        self.taken: list[Claimed] = []
        self.waits = 0
        self.room: tuple[int, int] | None = (4000, 1000)
        self.room_after = self.room
        self.asked: list[tuple[int, int]] = []
        claims: Any = self
        self.quarantine = Quarantine(claims, self.take, self.calm, lambda: self.room, self.clock)

    async def claim_suspects(self, jobs: int, max_bytes: int) -> Found:
        self.asked.append((jobs, max_bytes))
        jobs = self.groups.pop(0) if self.groups else []
        return Found(len(jobs), jobs, len(self.groups))

    async def take(self, jobs: Sequence[Claimed]) -> None:
        self.taken += jobs
        self.room = self.room_after

    async def calm(self) -> None:
        self.waits += 1
        if self.busy:
            raise TimeoutError  # as if the patience had been at its end

    async def waits_in(self, seconds: int) -> int:
        """How often it is waited for while claims come every second."""
        before = self.waits
        for _ in range(seconds):
            self.clock.now += 1
            await self.quarantine.run(1)
        return self.waits - before


@pytest.fixture
def process() -> Process:
    """This test's."""
    return Process()


async def test_given_suspects_then_group_after_group_is_run_each_when_it_is_calm(process: Process) -> None:
    process.groups = [[SUSPECT], [SUSPECT, SUSPECT]]

    await process.quarantine.run(3)

    assert (len(process.taken), process.waits) == (3, 3)


async def test_given_suspects_that_are_held_on_then_the_next_ones_are_claimed_only_while_there_is_room(
    process: Process,
) -> None:
    process.groups = [[SUSPECT], [SUSPECT]]
    process.room, process.room_after = (2, 30), None

    await process.quarantine.run(2)
    assert (len(process.taken), process.asked, process.waits) == (1, [(2, 30)], 2)

    process.room = (1, 10)
    process.clock.now += 1
    await process.quarantine.run(1)
    assert (len(process.taken), process.asked) == (2, [(2, 30), (1, 10)])


async def test_given_no_suspects_then_nothing_is_waited_for(process: Process) -> None:
    await process.quarantine.run(0)

    assert process.waits == 0


async def test_given_suspects_that_can_not_be_claimed_then_they_are_looked_for_every_second(
    process: Process,
) -> None:
    assert await process.waits_in(10) == 10


async def test_given_a_process_that_does_not_come_to_rest_then_it_is_waited_for_ever_less_often(
    process: Process,
) -> None:
    process.busy = True

    assert [await process.waits_in(45) for _ in range(3)] == [4, 1, 1]


async def test_given_a_process_that_has_come_to_rest_again_then_suspects_have_their_turn_as_before(
    process: Process,
) -> None:
    process.busy = True
    await process.waits_in(100)

    process.busy = False
    process.clock.now += 45
    await process.quarantine.run(1)

    assert await process.waits_in(10) == 10
