"""Keeps a copy behind live traffic: a limit in documents a second, a pause while live writes travel, and one
request at a time as long as there are any.

The pause is bounded: a copy that waits for a worker without a quiet moment would never end, and its touched
set would grow for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Sleep = Callable[[float], Awaitable[object]]

# Before each request: shorter than most requests of live traffic take on a busy cluster, and long enough to
# let one of them go first.
_LONGEST_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 0.005
# After a live write there are likely to be more. A small Elasticsearch works on two requests at a time: live
# writes are left one of them.
_LATELY_SECONDS = 1.0


class Pace:
    """Asked before each request of one copy, by all of its slices.

    `live_is_busy` says whether writes of jobs are under way in this process; `now` counts seconds.
    """

    def __init__(
        self,
        docs_per_second: float | None,
        live_is_busy: Callable[[], bool],
        now: Callable[[], float],
        sleep: Sleep,
    ) -> None:
        self._seconds_each = 1.0 / docs_per_second if docs_per_second else 0.0
        self._live_is_busy, self._now, self._sleep = live_is_busy, now, sleep
        self._free_at = 0.0
        self._live_until = now()
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The block sends one request: beside others of the copy, or after them if there is live traffic."""
        if self._live_lately():
            async with self._alone:
                yield
        else:
            yield

    async def before(self, documents: int) -> None:
        """Wait until so many documents may be sent."""
        await self._hold_to_the_limit(documents)
        await self._let_live_go_first()

    async def _hold_to_the_limit(self, documents: int) -> None:
        """What was not used while the copy waited for something else is not made up for."""
        now = self._now()
        start = max(now, self._free_at)
        self._free_at = start + documents * self._seconds_each
        if start > now:
            await self._sleep(start - now)

    async def _let_live_go_first(self) -> None:
        until = self._now() + _LONGEST_PAUSE_SECONDS
        while self._live_is_busy() and self._now() < until:
            self._live_until = self._now() + _LATELY_SECONDS
            await self._sleep(_LOOK_SECONDS)

    def _live_lately(self) -> bool:
        return self._now() < self._live_until
