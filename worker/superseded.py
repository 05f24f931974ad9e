"""Tells when more writes are superseded by Elasticsearch than ordinary work explains. Pure.

One that Elasticsearch refuses for a newer version is rare: jobs on one document are written in their order,
and what is overtaken in the buffer never travels (it is not counted here). The ordinary cause is a worker
that was killed after it had written and before it had reported: its jobs run again, all within a minute.
What lasts longer has a cause that somebody must mend: Redis's clock was set back together with a loss of its
data, so that all new numbers are older than the documents; or another program writes the same documents
under versions of its own. Each such write is lost, and its job is reported as a success.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

_MINUTE = 60.0
# Long enough that a few writes a minute add up, short enough that a warning speaks of now.
_MINUTES = 10
# In so many minutes of them: the jobs of a killed worker run again within one, or two that touch.
_MINUTES_OF_THEM = 3
# Fewer tell nothing of their rate.
_LEAST = 50
# A foreign writer that concerns one document in twenty is worth knowing of.
_SHARE = 0.05


class Excess(NamedTuple):
    """What is out of the ordinary: so many superseded of so many answers, in so many minutes."""

    superseded: int
    answers: int
    minutes: int


class _Counted:
    """The answers of one minute."""

    __slots__ = ("answers", "minute", "superseded")

    def __init__(self, minute: int) -> None:
        self.minute, self.answers, self.superseded = minute, 0, 0


class SupersededRate:
    """One per process. `clock` gives seconds, from any start."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted: deque[_Counted] = deque()
        self._quiet_until = 0

    def answered(self, answers: int, superseded: int) -> Excess | None:
        """Count the answers to one request; what to warn of, at most once in ten minutes."""
        minute = int(self._clock() // _MINUTE)
        self._count(minute, answers, superseded)
        if not superseded or minute < self._quiet_until:
            return None
        excess = self._sum()
        if excess is not None:
            self._quiet_until = minute + _MINUTES
        return excess

    def _count(self, minute: int, answers: int, superseded: int) -> None:
        if not self._counted or self._counted[-1].minute != minute:
            self._counted.append(_Counted(minute))
            while self._counted[0].minute <= minute - _MINUTES:
                self._counted.popleft()
        self._counted[-1].answers += answers
        self._counted[-1].superseded += superseded

    def _sum(self) -> Excess | None:
        superseded = sum(one.superseded for one in self._counted)
        answers = sum(one.answers for one in self._counted)
        minutes = sum(1 for one in self._counted if one.superseded)
        if minutes < _MINUTES_OF_THEM or superseded < max(_LEAST, _SHARE * answers):
            return None
        return Excess(superseded, answers, _MINUTES)
