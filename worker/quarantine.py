"""Runs the suspects: jobs whose worker died while it held them. One of them may be what killed it.

1. Wait until this process has sent, and seen answered, all that it holds: what dies with it must not take
   innocents along. What goes round in retries has been sent before and killed nobody: it may wait for a shard
   for hours, and go on meanwhile.
2. Claim a few suspects, fewer the more deaths they have seen, and run them. A death is theirs from now on.
3. When they have been answered, the next few; until none waits that can be claimed, or there is no room: what
   was answered may be held still, to be tried again.

A group that takes long is no crasher: ordinary work goes on beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from .claims import Claimed, Claims

logger = logging.getLogger("penstock.quarantine")

# What is not answered by then waits for Elasticsearch, which has nothing to do with the suspects. No job is
# claimed meanwhile.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 1.0
# After waits in vain: at most half of the time goes into waiting, and soon a tenth.
_PAUSES_IN_VAIN = (5.0, 10.0, 20.0, 45.0)


class Quarantine:
    """See the module. `take` starts claimed jobs; `calm` waits until nothing that is held runs for the first
    time; `room` says how many jobs and bytes may be claimed now, None where nothing may; `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self,
        claims: Claims,
        take: Callable[[Sequence[Claimed]], Awaitable[object]],
        calm: Callable[[], Awaitable[None]],
        room: Callable[[], tuple[int, int] | None],
        clock: Callable[[], float],
    ) -> None:
        self._claims, self._take, self._calm, self._room, self._clock = claims, take, calm, room, clock
        self._not_before = 0.0
        self._in_vain = 0

    async def run(self, suspects: int) -> None:
        """Run what waits, unless this process was too busy for it a moment ago. Raises LeaseLost."""
        if not suspects or self._clock() < self._not_before:
            return
        logger.warning("%d jobs of dead workers are run apart from others", suspects)
        while await self._is_calm():
            self._in_vain = 0
            # Asked when all has been answered: the next claim of other jobs ends the suspects' being apart.
            if not (room := self._room()):
                break
            found = await self._claims.claim_suspects(*room)
            if not found.jobs:
                break
            await self._take(found.jobs)
        # What is left waits for documents that others hold, or for this process to have less to do.
        self._not_before = self._clock() + self._pause()

    def _pause(self) -> float:
        if not self._in_vain:
            return _PAUSE_SECONDS
        return _PAUSES_IN_VAIN[min(self._in_vain, len(_PAUSES_IN_VAIN)) - 1]

    async def _is_calm(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._calm()
        except TimeoutError:
            self._in_vain += 1
            return False
        return True
