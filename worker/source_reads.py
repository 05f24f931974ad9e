"""What is to be read from one source next, and what its failures mean. Pure: the clock is handed in.

* While all is well: the next ids, as many as one call takes, several calls at a time.
* A call that failed is halved, and the halves are read one after the other, until an id fails alone.
* An id that fails alone time and again, while others can be read, is guilty. Where nothing else has been read
  meanwhile, an id that could be read before is read once more, to tell the two apart.
* Where nothing can be read any more the source is away: one id at a time is read, each time another one or
  one that could be read before, after pauses that grow. Nobody is guilty of that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from .backoff import Backoff
from .entry import Entry

# Failures in a row after which the source counts as away. Halving to one guilty id of many, one half of each
# level can be read.
_AWAY_AFTER = 5
_TRIES_ALONE = 5


class Part(NamedTuple):
    """What one call reads: loads, or an id that is known to be readable."""

    loads: list[Entry]
    known: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids, each once."""
        return [load.action.id for load in self.loads] if self.known is None else [self.known]


class _Failures(NamedTuple):
    """How often a load has failed alone, and how many calls had succeeded by then."""

    times: int = 0
    successes: int = 0


class SourceReads:
    """One source's loads that wait to be read. `clock` gives seconds that never go back.

    `latest` gives the load to read for the first of a lane, when its read begins.
    """

    def __init__(
        self,
        batch_size: int,
        concurrency: int,
        backoff: Backoff,
        clock: Callable[[], float],
        latest: Callable[[Entry], Entry],
    ) -> None:
        self._batch_size, self._concurrency = batch_size, concurrency
        self._backoff, self._clock, self._latest = backoff, clock, latest
        self._new: deque[Entry] = deque()
        self._parts: deque[list[Entry]] = deque()
        self._alone: dict[Entry, _Failures] = {}
        self._known: str | None = None
        self._under_way = 0
        self._failures = 0
        self._successes = 0
        self._not_before = 0.0
        self._parts_are_next = True
        self._known_is_next = False
        self._failing_since: float | None = None

    @property
    def waits(self) -> bool:
        """Whether any load waits to be read."""
        return bool(self._new or self._parts)

    @property
    def waiting(self) -> Iterable[Entry]:
        """The loads that wait to be read, or to be read again."""
        return chain(self._new, *self._parts)

    @property
    def is_away(self) -> bool:
        """Whether nothing could be read for several calls."""
        return self._failures >= _AWAY_AFTER

    def add(self, load: Entry) -> None:
        """A load has become the first of its lane."""
        self._new.append(load)

    def divide(self, loads: Sequence[Entry]) -> None:
        """Read these again, in two calls."""
        middle = (len(loads) + 1) // 2
        self._parts.extend(list(half) for half in (loads[:middle], loads[middle:]) if half)

    def seconds_to_wait(self) -> float:
        """Seconds until the next call may be made, as far as that is known."""
        return max(0.0, self._not_before - self._clock())

    def next(self, most: int | None = None) -> Part | None:
        """What to read now; None where nothing may be. It is under way until its end is told."""
        one_by_one = self._failures or most is not None
        if self._under_way >= (1 if one_by_one else self._concurrency) or self.seconds_to_wait():
            return None
        part = self._next(min(self._batch_size, most or self._batch_size))
        if part is not None:
            self._under_way += 1
        return part

    def _next(self, most: int) -> Part | None:
        if self.is_away:
            most = 1
            self._known_is_next = not self._known_is_next
            if self._known_is_next and self._known and self.waits:
                return Part([], self._known)
        if self._parts and (self._parts_are_next or not self._new):
            self._parts_are_next = False
            return self._next_part(most)
        self._parts_are_next = True
        if not self._new:
            return None
        return Part([self._latest(self._new.popleft()) for _ in range(min(most, len(self._new)))])

    def _next_part(self, most: int) -> Part:
        part = self._parts.popleft()
        if len(part) > most:
            self._parts.append(part[most:])
            return Part(part[:most])
        (first, *more) = part
        failed = self._alone.get(first)
        if not more and failed and failed.successes == self._successes and self._known and not self.is_away:
            self._parts.appendleft(part)
            return Part([], self._known)
        return Part(part)

    def succeeded(self, part: Part, read: Iterable[str]) -> float | None:
        """A call has answered with these ids. The seconds of the outage, if that is over now."""
        self._under_way -= 1
        self._failures, self._not_before = 0, 0.0
        self._successes += 1
        self._known = next(iter(read), self._known)
        for load in part.loads:
            self._alone.pop(load, None)
        if self._failing_since is None or self._parts:
            return None
        failed_for, self._failing_since = self._clock() - self._failing_since, None
        return failed_for

    def failed(self, part: Part) -> Entry | None:
        """A call has failed. The load that is guilty of it, if that is known now; it is not read again."""
        self._under_way -= 1
        self._failures += 1
        self._not_before = self._clock() + self._backoff.delay(self._failures)
        if len(part.loads) > 1:
            self.divide(part.loads)
        elif part.loads:
            return self._failed_alone(part.loads[0])
        return None

    def begins_to_fail(self) -> bool:
        """Whether the call that has just failed is the first one since all was well."""
        if self._failing_since is not None:
            return False
        self._failing_since = self._clock()
        return True

    def _failed_alone(self, load: Entry) -> Entry | None:
        failed = self._alone.get(load, _Failures())
        if self._successes > failed.successes:
            failed = _Failures(failed.times + 1, self._successes)
        if failed.times >= _TRIES_ALONE:
            self._alone.pop(load)
            return load
        self._alone[load] = failed
        self._parts.append([load])
        return None
