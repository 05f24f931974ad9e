"""How many bulk requests may be under way at a time: as many as the cluster turns into throughput. Pure.

1. Only full requests tell how fast the cluster is: those that left with others under way up to the limit.
   Their measure is the seconds per action, the median of a few answers.
2. A trial: the limit goes one up, or one down, for as many answers. One request more is worth it where it
   brings a good part of its share of throughput; otherwise it only makes all of them slower.
3. A trial that succeeded is followed by the next one in the same direction; one that failed is taken back,
   and followed by a rest that doubles, so that the limit stands still where the cluster does.
4. Throttling and timeouts halve the limit, or end the trial that has brought them about. Actions that have
   become much slower begin a trial downwards.

With one Elasticsearch on shared cores this stays at 1, where batches are largest; that is where every
process begins.
"""

from __future__ import annotations

from collections.abc import Callable

# Answers that a measure takes, for each request that may be under way.
_ANSWERS_PER_REQUEST = 4
# Of the throughput that one request more would bring on a cluster without limits; below it's not worth it.
_WORTHWHILE_SHARE = 0.4
# The reference forgets what was once possible: by twice in about 14 measures.
_AGEING = 1.05
_MUCH_SLOWER = 1.5
_FIRST_REST_SECONDS = 2.0
_LONGEST_REST_SECONDS = 60.0


class Concurrency:
    """`limit` is between 1 and `most`. `clock` gives seconds that never go back."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = most, clock
        self.limit = 1
        self._measured: list[float] = []
        # Answers to requests that left under the limit before: they say nothing of this one.
        self._left_before = 0
        self._trial_from: tuple[int, float] | None = None
        self._reference: float | None = None
        self._step = 1
        self._rest_until = clock()
        self._rest_seconds = _FIRST_REST_SECONDS

    def answered(self, actions: int, seconds: float, *, full: bool, trouble: bool) -> None:
        """Learn from one answer. `trouble`: the cluster was throttling or did not answer in time.

        `full`: as many as `limit` were under way when it left, and it held as much as a request may.
        """
        if self._left_before:
            self._left_before -= 1
        elif trouble:
            self._retreat()
        elif full:
            self._measured.append(seconds / actions)
            if len(self._measured) >= _ANSWERS_PER_REQUEST * self.limit:
                self._conclude(sorted(self._measured)[len(self._measured) // 2])

    def _conclude(self, pace: float) -> None:
        """`pace`: seconds per action at the present limit."""
        self._measured.clear()
        if self._trial_from is not None:
            self._end_trial(pace, *self._trial_from)
            return
        slower = self._reference is not None and pace > _MUCH_SLOWER * self._reference
        aged = pace if self._reference is None else self._reference * _AGEING
        self._reference = min(pace, aged)
        if slower and self.limit > 1:
            self._try(-1, pace)
        elif self._clock() >= self._rest_until:
            self._try(self._step, pace)

    def _try(self, step: int, pace: float) -> None:
        """Begin a trial in this direction, or in the other one where there is nothing left in this."""
        self._step = step if 1 <= self.limit + step <= self._most else -step
        if 1 <= self.limit + self._step <= self._most:
            self._trial_from = (self.limit, pace)
            self._move(self.limit + self._step)

    def _end_trial(self, pace: float, limit_before: int, pace_before: float) -> None:
        self._trial_from = None
        upwards = self.limit > limit_before
        low, low_pace = (limit_before, pace_before) if upwards else (self.limit, pace)
        high_pace = pace if upwards else pace_before
        gain = ((low + 1) * low_pace) / (low * max(high_pace, 1e-12))
        if (gain >= 1 + _WORTHWHILE_SHARE / low) == upwards:
            self._rest_seconds = _FIRST_REST_SECONDS
            self._reference = pace
            if 1 <= self.limit + self._step <= self._most:
                self._try(self._step, pace)
            else:
                self._rest()
            return
        self._step = -self._step
        self._move(limit_before)
        self._rest()

    def _retreat(self) -> None:
        """One step where it was one too many, by half otherwise."""
        limit_before = self._trial_from[0] if self._trial_from else self.limit
        self._trial_from = None
        self._measured.clear()
        self._step = 1
        self._move(limit_before if limit_before < self.limit else max(1, self.limit // 2))
        self._rest()

    def _move(self, limit: int) -> None:
        """Change the limit; of the requests under way, all but the one just answered left before."""
        self._left_before = self.limit - 1
        self._reference = None
        self.limit = limit

    def _rest(self) -> None:
        self._rest_until = self._clock() + self._rest_seconds
        self._rest_seconds = min(2 * self._rest_seconds, _LONGEST_REST_SECONDS)
