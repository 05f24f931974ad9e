"""Parks jobs that their index does not take, and finds out when it takes them again.

1. The batcher says that an index refuses what is written in one way: the actions of one target (see Action).
   It may be a full disk, a write block, a missing right or alias. Jobs with such an action go aside in Redis,
   where they cost nothing and keep their order; all others go on, those of the same index included.
2. Once a second one of them comes back as a probe, to whichever worker claims it. This worker sends one job
   of a blocked target a second at most, and parks what else it is given of it.
3. A probe that was written brings all of them back, whichever worker had parked them.
4. A job of which a part was written already stays in the batcher, which tries the rest again: its report
   needs those answers. It is the probe then, and no other one goes: that might have to stay as well.

What stands behind such a job on its document goes aside with it: it must not be written before.
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

from jobs.overview import in_words

from .actions import Action
from .answers import Blocked
from .claims import Claimed, Claims
from .entry import Entry
from .holding import Holding

logger = logging.getLogger("penstock.parking")

_PROBE_EVERY_SECONDS = 1.0
# Between two that this worker lets through: a little less, or what comes back as a probe would be parked.
_LEAST_SECONDS_BETWEEN = 0.9
# What stays in the batcher has its next answer by then, most often.
_ANSWER_SECONDS = 10.0
# Each takes Redis some 20 us, and as much for each of its documents.
_JOBS_PER_CALL = 500
_DOCUMENTS_PER_CALL = 1000
_UNKNOWN = orjson.dumps({"type": "unknown", "reason": "it takes writes again by now"})


class Parkable(Protocol):
    """The owner of an entry that may be parked."""

    def withdrawn(self, park: Callable[[Claimed], None]) -> None:
        """One entry has left the batcher unsettled; `park` takes the job when none of it is under way."""


class Parking:
    """See the module. `run` parks and probes until cancelled."""

    def __init__(self, claims: Claims, holding: Holding) -> None:
        self._claims, self._holding = claims, holding
        # Targets that take no writes, as far as this worker knows: why (JSON), and when it may probe next.
        self._blocked: dict[str, bytes] = {}
        self._next_probe: dict[str, float] = {}
        # When the next answer to what stays in the batcher is overdue.
        self._tried_until: dict[str, float] = {}
        # Targets with parked jobs as of the latest probe: of workers that may have gone since.
        self._parked: set[str] = set()
        # Jobs on their way aside, by target; and targets whose jobs are to come back.
        self._waiting: dict[str, list[Claimed]] = {}
        self._opened: set[str] = set()
        # Documents of jobs that are on their way aside, or went there since the present claim began, with the
        # target: what was claimed with them may be on the same documents, and must not overtake them.
        self._closed: dict[bytes, str] = {}
        self._wanted = asyncio.Event()

    def blocked(
        self, entries: Sequence[Entry], target: str, why: Blocked, again_seconds: float = 0.0
    ) -> None:
        """Take entries that their index does not take, and what is behind them (the batcher calls this).

        No entries where some stay in the batcher, and when these are tried again, where that goes on.
        """
        if target not in self._blocked:
            # The reason names the index and the block, no document.
            logger.warning("%s takes no %s (%s): such jobs are parked", *_in_words(target), why.type)
            self._blocked[target] = orjson.dumps({"type": why.type, "reason": why.reason})
            self._next_probe[target] = monotonic() + _LEAST_SECONDS_BETWEEN
        self._opened.discard(target)
        if again_seconds:
            self._tried_until[target] = monotonic() + again_seconds + _ANSWER_SECONDS
        for entry in entries:
            cast(Parkable, entry.owner).withdrawn(partial(self._park, target))

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Have entries that left the batcher go back to the queue.

        They are parked for a moment, so that what comes later on their documents stays behind them.
        """
        for entry in entries:
            cast(Parkable, entry.owner).withdrawn(partial(self._park, entry.action.target))

    def wants_another(self, target: str, claimed: Claimed, why: Blocked) -> None:
        """Park a claimed job that needs a worker which has what this one has not."""
        self._blocked[target] = orjson.dumps({"type": why.type, "reason": why.reason})
        self._park(target, claimed)

    @property
    def any_blocked(self) -> bool:
        """Whether any target is known to take no writes, or has parked jobs."""
        return bool(self._blocked or self._parked or self._closed)

    def claim_ended(self) -> None:
        """All jobs of a claim are taken; the next claim knows who is aside."""
        if self._closed:
            self._closed.clear()
            for target, jobs in self._waiting.items():
                self._close(target, jobs)

    def takes(self, claimed: Claimed, actions: Sequence[Action]) -> bool:
        """Whether a claimed job has to wait: it is parked then. One a second may go, to see."""
        if not self.any_blocked:
            return False
        if (target := self._ahead(claimed) or self._refusing(actions)) is None:
            return False
        self._park(target, claimed)
        return True

    def passed(self, target: str) -> None:
        """An action of this target was executed: if it was blocked, it is no more."""
        self._tried_until.pop(target, None)
        if self._blocked.pop(target, None) is not None or target in self._parked:
            self._parked.discard(target)
            self._opened.add(target)
            self._wanted.set()
            logger.warning("%s takes %s again: its jobs come back", *_in_words(target))

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

    def _ahead(self, claimed: Claimed) -> str | None:
        """The target of a job that went aside and is ahead of this one on a document."""
        if not self._closed:
            return None
        found = (self._closed.get(key) for key in claimed.document_keys.split())
        return next((target for target in found if target is not None), None)

    def _refusing(self, actions: Sequence[Action]) -> str | None:
        """A blocked target of these actions, unless it is time to probe all that they have."""
        targets = {action.target for action in actions} & self._blocked.keys()
        now = monotonic()
        for target in sorted(targets):
            if now < max(self._next_probe[target], self._tried_until.get(target, now)):
                return target
        for target in targets:
            self._next_probe[target] = now + _LEAST_SECONDS_BETWEEN
        return None

    def _park(self, target: str, claimed: Claimed) -> None:
        self._waiting.setdefault(target, []).append(claimed)
        self._close(target, (claimed,))
        self._wanted.set()

    def _close(self, target: str, jobs: Sequence[Claimed]) -> None:
        for claimed in jobs:
            for key in claimed.document_keys.split():
                self._closed[key] = target

    async def _set_aside(self) -> None:
        for target in list(self._waiting):
            while part := _next_part(self._waiting[target]):
                await self._claims.park(target, self._blocked.get(target, _UNKNOWN), part)
                del self._waiting[target][: len(part)]
                for claimed in part:
                    if self._holding.jobs.get(claimed.id) is claimed:  # not claimed again meanwhile
                        self._holding.remove(claimed.id)
            del self._waiting[target]
            if target not in self._blocked:  # it has opened while these were on their way
                self._opened.add(target)

    async def _bring_back(self) -> None:
        for target in list(self._opened):
            while target not in self._blocked and await self._claims.unpark(target, _JOBS_PER_CALL):
                pass
            self._opened.discard(target)


def _in_words(target: str) -> tuple[str, str]:
    """The index, or the source, and what it refuses."""
    way, _, name = target.partition(":")
    return in_words(way, name)


def _next_part(jobs: Sequence[Claimed]) -> Sequence[Claimed]:
    """The first of these jobs, as many as one call may set aside."""
    documents = 0
    for number, claimed in enumerate(jobs[:_JOBS_PER_CALL]):
        documents += claimed.document_keys.count(b" ") + 1
        if number and documents > _DOCUMENTS_PER_CALL:
            return jobs[:number]
    return jobs[:_JOBS_PER_CALL]
