"""What the intake lets suspects have: as much as there is room for; nothing while nothing can be written."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from worker.claims import Claimed, Found
from worker.holding import Holding
from worker.intake_loop import IntakeLoop


class Queue:
    """A queue with one suspect and nothing else; `asked` has the room for suspects that was told."""

    def __init__(self) -> None:
        self.holding, self.accepting = Holding(4000, 1000), asyncio.Event()
        self.accepting.set()
        self.asked: list[tuple[int, int]] = []

    async def claim(self, *bounds: int, may_abort: bool) -> Found:
        return Found(0, [], 1)

    async def admit(self, jobs: Sequence[object], *, reorder: bool) -> None: ...

    async def claim_suspects(self, jobs: int, max_bytes: int) -> Found:
        self.asked.append((jobs, max_bytes))
        return Found(0, [], 1)

    async def zcard(self, name: str) -> int:
        return 0

    async def take(self, jobs: Sequence[Claimed]) -> list[Any]:
        return []

    async def calm(self) -> None:
        """Meanwhile `happens`."""
        self.happens()

    def happens(self) -> None: ...

    async def run(self) -> None:
        """One burst of a worker."""
        anything: Any = self
        loop = IntakeLoop(
            anything,
            "q",
            anything,
            self.holding,
            self.take,
            poll_seconds=1.0,
            function_room=lambda: 1,
            may_abort=False,
            accepting=self.accepting,
            calm=self.calm,
            held=lambda index_keys: None,
        )
        await loop.run(burst=True)


@pytest.fixture
async def queue() -> Queue:
    """This test's."""
    return Queue()


async def test_given_room_then_suspects_have_what_is_left_of_it(queue: Queue) -> None:
    await queue.run()

    assert queue.asked == [(4000, 1000)]


async def test_given_writes_that_began_to_fail_meanwhile_then_no_suspect_is_claimed(queue: Queue) -> None:
    queue.happens = queue.accepting.clear  # type: ignore[method-assign] # the breaker has opened

    await queue.run()

    assert queue.asked == []
