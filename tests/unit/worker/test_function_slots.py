"""How many functions run, wait and may be claimed ahead: hundreds of short ones, no long one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from worker.claims import Claimed
from worker.function_slots import FunctionSlots


class Functions:
    """Functions that run until the test ends them, on a clock that stands still until it is set."""

    def __init__(self, most: int) -> None:
        self.now = 0.0
        self.wishes = 0
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.slots = FunctionSlots(most, self._wish, lambda: self.now)

    def _wish(self) -> None:
        self.wishes += 1

    def add(self, *names: str) -> None:
        """Hand functions in."""
        for name in names:
            claimed = Claimed(name.encode(), 1.0, b"{}", b"", 1)
            self.slots.start(claimed, lambda name=name: self._run(name))  # type: ignore[misc]

    def _run(self, name: str) -> asyncio.Task[None]:
        self.started.append(name)
        self._ends[name] = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            await self._ends[name]

        self._tasks[name] = asyncio.create_task(wait())
        return self._tasks[name]

    async def end(self, *names: str, error: BaseException | None = None) -> None:
        """Let functions end, and have their slots told."""
        for name in names:
            if isinstance(error, asyncio.CancelledError):
                self._tasks[name].cancel()
            elif error:
                self._ends[name].set_exception(error)
            else:
                self._ends[name].set_result(None)
        await asyncio.gather(*(self._tasks[name] for name in names), return_exceptions=True)
        await asyncio.sleep(0)  # the callbacks of a task come after its waiters

    async def run_short(self, number: int) -> None:
        """So many functions that take no time at all."""
        for n in range(number):
            name = f"short {len(self.started)} {n}"
            self.add(name)
            await self.end(name)

    async def end_all(self) -> None:
        """Leave nothing behind."""
        self.slots.close()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest.fixture
async def make() -> AsyncIterator[Any]:
    """Slots and the functions in them."""
    made: list[Functions] = []

    def new(most: int) -> Functions:
        made.append(Functions(most))
        return made[-1]

    yield new
    for functions in made:
        await functions.end_all()


async def test_given_more_functions_than_slots_then_the_others_start_in_order_as_slots_get_free(
    make: Any,
) -> None:
    functions = make(2)
    functions.add("a", "b", "c", "d")
    assert functions.started == ["a", "b"]

    await functions.end("b")
    assert functions.started == ["a", "b", "c"]
    await functions.end("a", "c")
    assert functions.started == ["a", "b", "c", "d"]


async def test_given_long_functions_then_none_is_claimed_ahead_of_a_slot(make: Any) -> None:
    functions = make(2)
    assert functions.slots.room == 2
    functions.add("a")
    assert functions.slots.room == 1
    functions.add("b")
    assert functions.slots.room == 0
    functions.add("c")
    assert functions.slots.room == -1


async def test_given_short_functions_then_as_many_as_ended_in_a_moment_are_claimed_ahead(make: Any) -> None:
    functions = make(2)

    await functions.run_short(30)
    assert functions.slots.room == 2 + 30

    functions.now = 0.1
    assert functions.slots.room == 2 + 30  # of the moment before, while this one has none yet
    await functions.run_short(40)
    assert functions.slots.room == 2 + 40


async def test_given_functions_that_wait_ahead_then_they_take_of_the_room(make: Any) -> None:
    functions = make(2)
    await functions.run_short(30)

    functions.add("a", "b", "c", "d", "e")

    assert functions.slots.room == 2 + 30 - 2 - 3


async def test_given_a_moment_without_an_end_then_none_is_claimed_ahead_any_more(make: Any) -> None:
    functions = make(2)
    await functions.run_short(30)

    functions.now = 0.2
    assert functions.slots.room == 2

    functions.now = 0.25
    await functions.run_short(3)
    functions.now = 0.3  # the moment that began at 0.2 is over
    assert functions.slots.room == 2 + 3
    functions.now = 0.4
    assert functions.slots.room == 2


async def test_given_any_number_of_ends_then_the_claim_ahead_is_bounded(make: Any) -> None:
    functions = make(1)

    await functions.run_short(2000)

    assert functions.slots.room == 1 + 1500


async def test_given_room_that_has_grown_then_more_is_wanted_before_all_that_wait_have_run(
    make: Any,
) -> None:
    functions = make(1)
    await functions.run_short(8)
    functions.now = 0.1
    functions.add("running", *(f"waits {n}" for n in range(6)))
    wishes = functions.wishes

    await functions.end("running")
    assert functions.wishes == wishes  # five wait, and eight ended in the moment before

    await functions.end("waits 0")
    assert functions.wishes == wishes + 1  # four are half of the eight


async def test_given_long_functions_then_more_is_wanted_when_none_waits(make: Any) -> None:
    functions = make(1)
    functions.add("a", "b")

    await functions.end("a")

    assert functions.wishes == 1  # b has the slot by now


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
async def test_given_a_function_that_fails_then_its_slot_is_free_all_the_same(
    make: Any, error: BaseException
) -> None:
    functions = make(1)
    functions.add("a", "b")

    await functions.end("a", error=error)

    assert functions.started == ["a", "b"]


async def test_given_a_close_then_what_waits_is_handed_back_and_nothing_starts_any_more(make: Any) -> None:
    functions = make(1)
    functions.add("a", "b", "c")

    waiting = functions.slots.close()
    await functions.end("a")
    functions.add("d")

    assert [claimed.id for claimed in waiting] == [b"b", b"c"]
    assert functions.started == ["a"]
    assert functions.slots.room <= 0
