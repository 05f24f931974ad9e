"""Whether one more request may leave now: the cluster's breaker, the pauses it asks for, its concurrency.

* Closed breaker: as many requests as `Concurrency` allows, unless the cluster has asked for silence
  (`Retry-After`).
* Open breaker: one small probe, one a second. `accepting` is cleared: nobody need claim what can't be sent.

Says by callbacks when something may leave again (`ready`) and when the breaker has opened (`opened`)
or closed (`closed`). Knows no entries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum

from .answers import Away, Problem
from .breaker import Breaker, State
from .concurrency import Concurrency

logger = logging.getLogger("penstock.batcher")


class Leave(Enum):
    """What may leave now."""

    NOTHING = "nothing"
    PROBE = "probe"
    BATCH = "batch"


class Gate:
    """See the module. Lives in one event loop; `accepting` may be waited for by anyone."""

    def __init__(
        self,
        concurrency: Concurrency,
        breaker: Breaker,
        *,
        ready: Callable[[], None],
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.concurrency, self._breaker = concurrency, breaker
        self._ready, self._opened, self._closed = ready, opened, closed
        self._next_probe: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self.accepting = asyncio.Event()
        self.accepting.set()

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open or half-open: the cluster is away."""
        return self._breaker.state is not State.CLOSED

    def leave(self, under_way: int) -> Leave:
        """What may leave while so many requests are under way."""
        if self.is_open:
            return Leave.PROBE if self._probe_is_due() else Leave.NOTHING
        if self._silence is None and under_way < self.concurrency.limit:
            return Leave.BATCH
        return Leave.NOTHING

    def probe(self) -> float | None:
        """A probe leaves now; the seconds to wait for its answer, None for no limit of its own."""
        return self._breaker.probe()

    def answered(self, problem: Problem, sent: float) -> None:
        """A request that left at `sent` has its answer, or will have none."""
        if problem.away is Away.NO:
            if (away_for := self._breaker.answered()) is not None:
                logger.warning("Elasticsearch is back after %.1f s", away_for)
                self.accepting.set()
                self._closed()
        elif self._breaker.failed(problem.away, sent=sent, retry_after=problem.retry_after):
            logger.warning(
                "Elasticsearch is away (%s: %s): nothing is sent but one probe a second", *problem[:2]
            )
            self._opened()
        if self.is_open:
            self.accepting.clear()
        elif problem.retry_after:
            self._keep_silent(problem.retry_after)

    def close(self) -> None:
        """Stop the timers: nothing becomes ready any more."""
        for timer in (self._next_probe, self._silence):
            if timer is not None:
                timer.cancel()

    def _probe_is_due(self) -> bool:
        seconds = self._breaker.seconds_to_probe()
        if seconds is None:
            return False
        if seconds and self._next_probe is None:
            self._next_probe = asyncio.get_running_loop().call_later(seconds, self._probe_is_near)
        return not seconds

    def _probe_is_near(self) -> None:
        self._next_probe = None
        self._ready()

    def _keep_silent(self, seconds: float) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(seconds, self._silence_is_over)

    def _silence_is_over(self) -> None:
        self._silence = None
        self._ready()
