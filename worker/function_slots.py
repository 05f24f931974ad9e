"""How many functions run at a time, and how many more may be claimed ahead.

arq's `max_jobs` bounds the functions that run. Claiming exactly as many as find a slot would cost a round
trip for each few of them; claiming many ahead would keep long ones from workers that are idle. So as many
are claimed ahead as were finished in the last moment: hundreds where they take no time, none where they
are long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from .claims import Claimed

_MOMENT_SECONDS = 0.1
# Three claims: one runs, one waits, one is on its way.
_MOST_AHEAD = 1500

Start = Callable[[], "asyncio.Task[None]"]


class FunctionSlots:
    """`most` run at a time; `wanted` is called when there is room for more."""

    def __init__(self, most: int, wanted: Callable[[], None], clock: Callable[[], float] = monotonic) -> None:
        self._most, self._wanted, self._clock = most, wanted, clock
        self._running = 0
        self._waiting: deque[tuple[Claimed, Start]] = deque()
        self._moment = clock()
        self._ended_now = self._ended_before = 0

    @property
    def room(self) -> int:
        """Functions that may be claimed now."""
        self._turn()
        ahead = min(_MOST_AHEAD, max(self._ended_before, self._ended_now))
        return self._most + ahead - self._running - len(self._waiting)

    def start(self, claimed: Claimed, start: Start) -> None:
        """Start a function now, or when a slot is free."""
        self._waiting.append((claimed, start))
        self._fill()

    def close(self) -> list[Claimed]:
        """Start no more; those that were waiting."""
        waiting = [claimed for claimed, _ in self._waiting]
        self._waiting.clear()
        self._most = 0
        return waiting

    def _fill(self) -> None:
        while self._waiting and self._running < self._most:
            _, start = self._waiting.popleft()
            self._running += 1
            start().add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        self._turn()
        self._ended_now += 1
        self._fill()
        if len(self._waiting) * 2 <= self._ended_before:
            self._wanted()

    def _turn(self) -> None:
        """Begin a new moment where the last one is over."""
        passed = self._clock() - self._moment
        if passed < _MOMENT_SECONDS:
            return
        self._ended_before = self._ended_now if passed < 2 * _MOMENT_SECONDS else 0
        self._ended_now, self._moment = 0, self._clock()
