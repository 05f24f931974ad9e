"""The order of writes to each document inside one process. Pure: no network, no clock, no job.

Entries on one document form a lane. Only the first of a lane is ever ready or on its way, so no request
holds two actions on one document and none is sent while an earlier one is unanswered. Everything that
is ready is about a different document, and may be sent in any order and company.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from .entry import Entry


class Lanes:
    """All entries that are not settled: ready ones, ones on their way, ones behind another."""

    def __init__(self) -> None:
        self._first: dict[str, Entry] = {}
        self._behind: dict[str, deque[Entry]] = {}
        self._ready: deque[Entry] = deque()
        self.unsettled = 0

    def __len__(self) -> int:
        """The number of ready entries."""
        return len(self._ready)

    def add(self, entry: Entry) -> None:
        """Put an entry behind all earlier ones on its document."""
        self.unsettled += 1
        key = entry.action.key
        if key in self._first:
            self._behind.setdefault(key, deque()).append(entry)
        else:
            self._first[key] = entry
            self._ready.append(entry)

    def take(self, max_actions: int, max_bytes: int) -> list[Entry]:
        """The next entries to send together: at least one, cut at a count and at a size in bytes."""
        taken: list[Entry] = []
        size = 0
        while self._ready and len(taken) < max_actions:
            size += self._ready[0].action.line_bytes
            if taken and size > max_bytes:
                break
            taken.append(self._ready.popleft())
        return taken

    def again(self, entries: Iterable[Entry]) -> None:
        """Make entries ready that were on their way; they are still the first of their lanes."""
        self._ready.extend(entries)

    def settle(self, entry: Entry) -> None:
        """Let go of an entry; the next one on its document becomes ready."""
        self.unsettled -= 1
        key = entry.action.key
        behind = self._behind.get(key)
        if not behind:
            del self._first[key]
            return
        self._first[key] = behind.popleft()
        self._ready.append(self._first[key])
        if not behind:
            del self._behind[key]
