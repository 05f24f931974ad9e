"""Parks the jobs of an index that takes no writes, and finds out when it takes them again.

1. The batcher says that an index is blocked (a full disk, a write block, a missing right): its jobs go aside
   in Redis, where they cost nothing and keep their order; all other jobs go on.
2. Once a second one of them comes back as a probe, to whichever worker claims it. This worker sends one job
   of a blocked index a second at most, and parks what else it is given of it.
3. A probe that was written brings all of them back, whichever worker had parked them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Protocol, cast

import orjson
from redis.exceptions import RedisError

from .answers import Blocked
from .claims import Claimed, Claims
from .entry import Entry
from .holding import Holding

logger = logging.getLogger("penstock.parking")

_PROBE_EVERY_SECONDS = 1.0
_JOBS_PER_CALL = 500
_UNKNOWN = orjson.dumps({"type": "unknown", "reason": "it takes writes again by now"})


class Parkable(Protocol):
    """The owner of an entry that may be parked."""

    def withdrawn(self, park: Callable[[Claimed], None]) -> None:
        """One entry has left the batcher unsettled; `park` takes the job when none of it is under way."""


class Parking:
    """See the module. `run` parks and probes until cancelled."""

    def __init__(self, claims: Claims, holding: Holding) -> None:
        self._claims, self._holding = claims, holding
        # Indices that take no writes, as far as this worker knows: why (JSON), and when it may probe next.
        self._blocked: dict[str, bytes] = {}
        self._next_probe: dict[str, float] = {}
        # Indices with parked jobs as of the latest probe: of workers that may have gone since.
        self._parked: set[str] = set()
        # Jobs on their way aside, by index; and indices whose jobs are to come back.
        self._waiting: dict[str, list[Claimed]] = {}
        self._opened: set[str] = set()
        # Indices of which jobs have gone aside since the present claim began: what was claimed with them may
        # be on the same documents, and must not overtake them.
        self._just_parked: set[str] = set()
        self._wanted = asyncio.Event()

    def blocked(self, entries: Sequence[Entry], index: str, why: Blocked) -> None:
        """Take entries of an index that takes no writes (the batcher calls this)."""
        if index not in self._blocked:
            # The reason names the index and the block, no document.
            logger.warning("%s takes no writes (%s): its jobs are parked", index, why.type)
            self._blocked[index] = orjson.dumps({"type": why.type, "reason": why.reason})
        self._opened.discard(index)
        self._next_probe[index] = monotonic() + _PROBE_EVERY_SECONDS
        for entry in entries:
            cast(Parkable, entry.owner).withdrawn(partial(self._park, index))

    @property
    def any_blocked(self) -> bool:
        """Whether any index is known to take no writes, or has parked jobs."""
        return bool(self._blocked or self._parked or self._waiting or self._just_parked)

    def claim_ended(self) -> None:
        """All jobs of a claim are taken; the next claim knows who is aside."""
        self._just_parked.clear()

    def takes(self, claimed: Claimed, index: str) -> bool:
        """Whether a claimed job has to wait: it is parked then. One a second may go, to see."""
        under_way = index in self._waiting or index in self._just_parked
        if index not in self._blocked and not under_way:
            return False
        if not under_way and monotonic() >= self._next_probe[index]:
            self._next_probe[index] = monotonic() + _PROBE_EVERY_SECONDS
            return False
        self._park(index, claimed)
        return True

    def passed(self, index: str) -> None:
        """A job of this index was written, or refused for its content: if it was blocked, it is no more."""
        if self._blocked.pop(index, None) is not None or index in self._parked:
            self._parked.discard(index)
            logger.warning("%s takes writes again: its jobs come back", index)
            self._opened.add(index)
            self._wanted.set()

    async def run(self) -> None:
        """Park what is blocked, bring back what is open, probe once a second."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_EVERY_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._set_aside()
                await self._bring_back()
                self._parked = await self._claims.probe_parked(_PROBE_EVERY_SECONDS)
            except (RedisError, OSError) as error:
                logger.warning("no jobs can be parked: Redis does not answer (%s)", error)
                await asyncio.sleep(_PROBE_EVERY_SECONDS)
                self._wanted.set()

    def _park(self, index: str, claimed: Claimed) -> None:
        self._waiting.setdefault(index, []).append(claimed)
        self._wanted.set()

    async def _set_aside(self) -> None:
        for index in list(self._waiting):
            while part := self._waiting[index][:_JOBS_PER_CALL]:
                await self._claims.park(index, self._blocked.get(index, _UNKNOWN), part)
                self._just_parked.add(index)
                del self._waiting[index][: len(part)]
                for claimed in part:
                    if self._holding.jobs.get(claimed.id) is claimed:  # not claimed again meanwhile
                        self._holding.remove(claimed.id)
            del self._waiting[index]
            if index not in self._blocked:  # it has opened while these were on their way
                self._opened.add(index)

    async def _bring_back(self) -> None:
        for index in list(self._opened):
            while index not in self._blocked and await self._claims.unpark(index, _JOBS_PER_CALL):
                pass
            self._opened.discard(index)
