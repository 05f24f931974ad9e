"""How fast a copy goes and how long it will take. Pure: the clock's time is handed in."""

from __future__ import annotations

from collections import deque

# Long enough to even out single pages, short enough to follow a cluster that slows down.
_WINDOW_SECONDS = 10.0


class Rate:
    """Documents a second over the last moments."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now: float, done: int) -> None:
        """So many are done by now. Fewer than before: a part begins anew."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """0 until there are two moments to compare."""
        if len(self._seen) < 2:
            return 0.0
        (began, before), (now, done) = self._seen[0], self._seen[-1]
        return (done - before) / (now - began) if now > began else 0.0


def remaining_seconds(total: int, done: int, per_second: float) -> float | None:
    """Seconds until all are done at this rate; None where that can't be told."""
    if done >= total:
        return 0.0
    return round((total - done) / per_second, 1) if per_second > 0 else None
