"""The index that a reindex writes to: requests of a bounded size, few at a time, behind live traffic."""

from __future__ import annotations

import asyncio

from .converting import Converted
from .pace import Pace
from .room import Room, check_rejected
from .writing import Copy, cut, write_copies


class Target:
    """Writes copies into `index`; what is rejected is reported under `name`."""

    def __init__(self, room: Room, index: str, name: str, pace: Pace) -> None:
        self._room, self._index, self._name, self._pace = room, index, name, pace
        self._slots = asyncio.Semaphore(room.settings.reindex_requests_in_flight)

    async def write(self, converted: Converted) -> None:
        """Write them all, when live traffic lets it. Raises JobFailed where one is rejected."""
        check_rejected(converted.failed, self._name)
        for part in self._parts(converted):
            async with self._slots:
                await self._pace.before(len(part))
                async with self._pace.turn():
                    await self._send(part)

    async def write_at_once(self, converted: Converted) -> None:
        """The same without waiting for anybody: jobs are held meanwhile."""
        check_rejected(converted.failed, self._name)
        for part in self._parts(converted):
            await self._send(part)

    def _parts(self, converted: Converted) -> list[list[Copy]]:
        settings = self._room.settings
        return list(cut(converted.copies, settings.reindex_batch_actions, settings.reindex_batch_bytes))

    async def _send(self, part: list[Copy]) -> None:
        written = await write_copies(self._room.client, self._index, part, self._room.backoff)
        check_rejected(written.rejected, self._name)
