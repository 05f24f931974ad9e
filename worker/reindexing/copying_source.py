"""The copy out of a source: batch by batch in the order of the ids, as the source has them now.

The version of all batches is that of the moment before the source was asked for them: it may answer with
what it had then, however late a batch comes (one query with a cursor). A write that was enqueued later wins;
one that was enqueued earlier is in what the source has, if services change the source before they enqueue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from ..registry import Record, Source
from .converting import Change, Converted, of_records
from .room import Room, answered
from .state import Slice, State, Store
from .swap import look


class SourceCopy:
    """Copies all records. `write`: see IndexCopy."""

    def __init__(
        self,
        room: Room,
        store: Store,
        state: State,
        source: Source,
        change: Change | None,
        write: Callable[[Converted], Awaitable[None]],
    ) -> None:
        self._room, self._store, self._source = room, store, source
        self._change, self._write = change, write
        self._old = state.old
        self._home: str | None = None
        self.slices = list(state.slices)

    async def run(self) -> None:
        """Until the source has no more. Raises JobFailed, NotOwner, CancelAsked, and what passes by."""
        if self.slices[0].finished:
            return
        origin = await look(self._room.client, self._old)
        self._home = origin.routing_by(self._source.index)
        version = await self._room.version_now()
        batches: Any = self._source.all(self.slices[0].after)
        async with aclosing(batches):
            while (batch := await answered(self._room, _next(batches))) is not None:
                await self._write_batch(list(batch), version)
        await self._saved(self.slices[0]._replace(finished=True))

    async def _write_batch(self, batch: Sequence[Record], version: int) -> None:
        if not batch:
            return
        converted = await of_records(batch, version, self._change, self._home)
        dropped = converted.dropped
        await self._write(converted.kept())
        part = self.slices[0]
        await self._saved(
            Slice(batch[-1].id, None, part.done + len(batch), part.dropped + dropped, finished=False)
        )

    async def _saved(self, part: Slice) -> None:
        self.slices[0] = part
        await self._store.save_slice(0, part)


async def _next(batches: AsyncIterator[Sequence[Record]]) -> Sequence[Record] | None:
    return await anext(batches, None)
