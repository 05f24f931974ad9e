"""How long to wait before the next try: exponential, with full jitter. Pure.

Full jitter (a random share of the whole delay) spreads the retries of a fleet best: AWS Architecture
Blog, "Exponential Backoff And Jitter".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from settings import Settings

# 2 ** 30 times any first delay is beyond every limit: a higher power would only overflow.
_HIGHEST_POWER = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: the first at most `initial`, doubling to `longest`. `random` gives [0, 1)."""

    initial: float
    longest: float
    random: Callable[[], float]

    @classmethod
    def of(cls, settings: Settings) -> Backoff:
        """What the settings say."""
        return cls(settings.retry_initial_seconds, settings.retry_max_seconds, random.random)

    def delay(self, troubles: int) -> float:
        """The delay after this many troubles in a row (1 or more), in seconds."""
        return self.random() * self._span(troubles)

    def patient_delay(self, troubles: int) -> float:
        """The same where the cluster asks for patience: never less than `initial`.

        With full jitter alone a good part of the first pauses are a few milliseconds.
        """
        span = max(self._span(troubles), min(2 * self.initial, self.longest))
        return self.initial + self.random() * (span - self.initial)

    def _span(self, troubles: int) -> float:
        power = min(troubles - 1, _HIGHEST_POWER)
        return min(self.longest, self.initial * float(2**power))
