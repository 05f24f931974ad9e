"""Whether the cluster can be written to at all. Pure: the clock is handed in.

CLOSED     requests leave. Failures in a row that concern the whole cluster open it.
OPEN       nothing leaves until the next probe is due: one a second at most.
HALF_OPEN  one probe is under way. Any answer of Elasticsearch's closes it, a failure opens it again.

What counts are failures of whole requests (`Away` in answers.py). Answers to single actions do not, nor does
throttling: the cluster is there, and asks for patience.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import assert_never

from .answers import Away

_ENOUGH_EVIDENCE = 3
_PROBE_EVERY_SECONDS = 1.0
# Where one node of several has gone, the next request may reach another one.
_FIRST_PROBE_AFTER_SECONDS = 0.1
# A probe to an address that swallows everything must not be waited for until the request's own timeout:
# the cluster may be back meanwhile. But a cluster may also be slow, so each fourth has all its time.
_PROBE_SECONDS = 3.0
_PATIENT_PROBE = 4


class State(Enum):
    """See the module."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """One cluster's breaker. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.state = State.CLOSED
        self._evidence = 0
        self._changed_at = clock()
        self._next_probe = self._changed_at
        self._probes = 0

    def failed(self, away: Away, *, sent: float, retry_after: float = 0.0) -> bool:
        """A whole request, sent at `sent`, has failed. True where this has opened the breaker.

        A request that left before the breaker last opened or closed says nothing about now.
        """
        if sent < self._changed_at:
            return False
        now = self._clock()
        match self.state:
            case State.CLOSED:
                self._evidence += _evidence(away)
                if self._evidence < _ENOUGH_EVIDENCE:
                    return False
                self._change(State.OPEN, now)
                self._next_probe = now + max(_FIRST_PROBE_AFTER_SECONDS, retry_after)
                self._probes = 0
                return True
            case State.OPEN | State.HALF_OPEN:
                self.state = State.OPEN
                self._next_probe = max(self._next_probe, now + retry_after)
                return False
            case _:
                assert_never(self.state)

    def answered(self) -> float | None:
        """Elasticsearch has answered. The seconds that it was away, if this has closed the breaker."""
        self._evidence = 0
        if self.state is State.CLOSED:
            return None
        now = self._clock()
        away_for = now - self._changed_at
        self._change(State.CLOSED, now)
        return away_for

    def seconds_to_probe(self) -> float | None:
        """Seconds until the next probe may leave; None where none may: closed, or one is under way."""
        if self.state is not State.OPEN:
            return None
        return max(0.0, self._next_probe - self._clock())

    def probe(self) -> float | None:
        """A probe leaves now. The seconds to wait for its answer; None: as long as for any request."""
        self.state = State.HALF_OPEN
        self._next_probe = self._clock() + _PROBE_EVERY_SECONDS
        self._probes += 1
        return _PROBE_SECONDS if self._probes % _PATIENT_PROBE else None

    def _change(self, state: State, now: float) -> None:
        self.state, self._changed_at, self._evidence = state, now, 0


def _evidence(away: Away) -> int:
    """Two refused connections in a row are enough, or three requests without an answer."""
    match away:
        case Away.NO:
            return 0
        case Away.MAYBE:
            return 1
        case Away.YES:
            return 2
        case _:
            assert_never(away)
