"""The jobs that this process has claimed and not finished, bounded by a count and by bytes.

Two marks: claiming stops at the high one and goes on at the low one. With a single mark every finished
job would cause a claim of one job, a round trip each, just when the process is busiest.
"""

from __future__ import annotations

import asyncio

from .claims import Claimed

_LOW_MARK = 0.75


class Holding:
    """Held jobs by id. `most_jobs` and `most_bytes` are the high marks."""

    def __init__(self, most_jobs: int, most_bytes: int) -> None:
        self.most_jobs, self.most_bytes = most_jobs, most_bytes
        self.jobs: dict[bytes, Claimed] = {}
        self.bytes = 0
        self._watched: dict[bytes, asyncio.Event] = {}
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self.jobs)

    def add(self, claimed: Claimed) -> None:
        """Hold one more job; one that was given back and claimed again takes the place of the old claim."""
        self.remove(claimed.id)
        self.jobs[claimed.id] = claimed
        self.bytes += len(claimed.raw)
        if len(self.jobs) >= self.most_jobs or self.bytes >= self.most_bytes:
            self._room.clear()

    def remove(self, id: bytes) -> None:
        """Let go of a job; one that is not held is no error (it was dropped with a lost lease)."""
        claimed = self.jobs.pop(id, None)
        if claimed is None:
            return
        self.bytes -= len(claimed.raw)
        if self._watched and (released := self._watched.pop(id, None)):
            released.set()
        if len(self.jobs) <= self.most_jobs * _LOW_MARK and self.bytes <= self.most_bytes * _LOW_MARK:
            self._room.set()

    async def released(self, id: bytes) -> None:
        """Wait until a job is held no more: Redis has its end, or has it back."""
        if id in self.jobs:
            await self._watched.setdefault(id, asyncio.Event()).wait()

    async def room(self) -> tuple[int, int]:
        """Wait for room; the jobs and the bytes that may be claimed now."""
        await self._room.wait()
        return self._left()

    def room_now(self) -> tuple[int, int] | None:
        """The same without waiting; None where there is none."""
        return self._left() if self._room.is_set() else None

    def _left(self) -> tuple[int, int]:
        return self.most_jobs - len(self.jobs), self.most_bytes - self.bytes
