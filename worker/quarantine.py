"""Runs the suspects: jobs whose worker died while it held them. One of them may be what killed it.

1. Wait until no other write is held in this process: what dies with it must not take innocents along.
2. Claim a few suspects, fewer the more deaths they have seen, and run them.
3. When they have ended, the next few; until none waits that can be claimed.

A group that takes long is no crasher: ordinary work goes on beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from .claims import Claimed, Claims
from .holding import Holding

logger = logging.getLogger("penstock.quarantine")

# A write that is not answered by then waits for Elasticsearch, which has nothing to do with the suspects.
_PATIENCE_SECONDS = 10.0


class Quarantine:
    """See the module. `take` starts claimed jobs."""

    def __init__(
        self, claims: Claims, holding: Holding, take: Callable[[Sequence[Claimed]], Awaitable[object]]
    ) -> None:
        self._claims, self._holding, self._take = claims, holding, take
        self._not_before = 0.0

    async def run(self, suspects: int) -> None:
        """Run what waits, unless this process was too busy for it a moment ago. Raises LeaseLost."""
        if not suspects or monotonic() < self._not_before:
            return
        logger.warning("%d jobs of dead workers are run apart from others", suspects)
        while await self._quiet():
            found = await self._claims.claim_suspects()
            if not found.jobs:
                break
            await self._take(found.jobs)
        # What is left waits for documents that others hold, or for this process to have less to do.
        self._not_before = monotonic() + 1.0

    async def _quiet(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._holding.quiet()
        except TimeoutError:
            return False
        return True
