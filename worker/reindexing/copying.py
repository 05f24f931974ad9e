"""The copy of an index: slices side by side, each page by page out of a point in time.

1. Read a page; while it is written the next one is read.
2. Transform it, and write it with the versions that it has.
3. Save the cursor when all of the page is acknowledged: a later run goes on from there.

A slice whose point in time is gone begins again in a new one, alone: slices are cut by `_seq_no`, so that a
document that did not change is in the same slice of every point in time, and one that did is caught up with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from elastic_transport import ApiError, TransportError

from ..cancelling import end_tasks
from .converting import Change, Converted, of_hits
from .pages import Page, PointInTime, PointInTimeLost
from .patience import patiently
from .room import Room, side_by_side
from .state import Slice, State, Store

logger = logging.getLogger("penstock.reindex")

_FIRST_PAGE = 100


class IndexCopy:
    """Copies `state.old`. `write` writes a page, or raises JobFailed where a document is rejected."""

    def __init__(
        self,
        room: Room,
        store: Store,
        state: State,
        change: Change | None,
        write: Callable[[Converted], Awaitable[None]],
    ) -> None:
        self._room, self._store, self._old = room, store, state.old
        self._change, self._write = change, write
        self.slices = list(state.slices)
        self._size = min(_FIRST_PAGE, room.settings.reindex_batch_actions)
        self._reopened: dict[str, str] = {}
        self._opening = asyncio.Lock()

    async def run(self) -> None:
        """Until every slice is through. Raises JobFailed, NotOwner, CancelAsked, and what passes by."""
        unfinished = [n for n, part in enumerate(self.slices) if not part.finished]
        if unfinished:
            await side_by_side(self._slice(number) for number in unfinished)
        for pit in {part.pit for part in self.slices if part.pit}:
            with suppress(ApiError, TransportError):  # it ends by itself
                await PointInTime(self._room.client, pit).close()

    async def _slice(self, number: int) -> None:
        while not self.slices[number].finished:
            try:
                await self._pages(number)
            except PointInTimeLost:
                logger.warning("slice %d of %s begins again: its point in time is gone", number, self._old)
                pit = await self._reopen(self.slices[number].pit or "")
                await self._saved(number, Slice(pit=pit))

    async def _pages(self, number: int) -> None:
        part = self.slices[number]
        pit = PointInTime(self._room.client, part.pit or "")
        ahead: asyncio.Task[Page] | None = asyncio.create_task(self._page(pit, number, part.after))
        try:
            while ahead is not None:
                page = await ahead
                ahead = None
                if page.after is not None:
                    ahead = asyncio.create_task(self._page(pit, number, page.after))
                await self._write_page(number, page, pit.id)
        finally:
            if ahead is not None:
                await end_tasks([ahead])

    async def _page(self, pit: PointInTime, number: int, after: list[object] | None) -> Page:
        size, cut = self._size, (number, len(self.slices))
        page = await patiently(lambda: pit.page(after, size=size, slice=cut), self._room.backoff)
        if page.hits:  # so many that a page is about as large as a request
            average = sum(len(hit.source) for hit in page.hits) / len(page.hits) + 1
            settings = self._room.settings
            fitting = int(settings.reindex_batch_bytes / average)
            self._size = min(settings.reindex_batch_actions, max(1, fitting))
        return page

    async def _write_page(self, number: int, page: Page, pit: str) -> None:
        converted = await of_hits(page.hits, self._change)
        dropped = converted.dropped
        await self._write(converted.kept())
        part = self.slices[number]
        done = Slice(page.after, pit, part.done + len(page.hits), part.dropped + dropped, page.after is None)
        await self._saved(number, done)

    async def _saved(self, number: int, part: Slice) -> None:
        self.slices[number] = part
        await self._store.save_slice(number, part)

    async def _reopen(self, lost: str) -> str:
        """A new point in time, the same one for all slices that have lost the same one."""
        async with self._opening:
            if lost not in self._reopened:
                client = self._room.client
                await patiently(lambda: client.indices.refresh(index=self._old), self._room.backoff)
                opened = await patiently(lambda: PointInTime.open(client, self._old), self._room.backoff)
                self._reopened[lost] = opened.id
            return self._reopened[lost]
