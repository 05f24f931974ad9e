"""Brings documents that jobs have touched from one index into the other, until few are left, or none.

1. Read some touched ids, the longest untouched first.
2. Read the documents as they are at this moment, from the index or from the source.
3. Write them, each with its version, or remove them with the version of the delete.
4. Forget those that were not touched again meanwhile.

Every round may be repeated: versions keep what is newer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

from ..records import found_in
from ..registry import Record, Source
from .converting import Change, Converted, of_hits, of_records
from .pages import Hit, Page, PageSize, read_now
from .plan import Origin
from .room import Room, SourceTrouble, answered
from .target import Target
from .touched import Touched, TouchedSet
from .writing import Copy

# Documents that are read in one request, at most and at first. As many as a copy reads at first: fewer would
# cost the hold, which begins with a size that is not known, a few more round trips.
_ROUND = 500
_FIRST_ROUND = 100
# So few are caught up with while the jobs are held.
_FEW = 500
# What a hold that was lost at the last moment can have let through, and more.
_ONCE_MORE = 10_000


class Reader(Protocol):
    """Where touched documents are read. `size`: how many of them it can take at a time, as it has learned."""

    size: PageSize

    async def __call__(self, touched: Sequence[Touched], *, swapped: bool = False) -> Converted:
        """Their copies. `swapped`: jobs may write to the other index by now, which is not to be undone."""


class FromIndex:
    """Reads an index. Its aliases may give routings to documents whose jobs name none.

    `whole`: what this index has not, the other one is not to have either.
    """

    size: PageSize

    def __init__(
        self,
        room: Room,
        origin: Origin,
        target: str,
        change: Change | None,
        *,
        whole: bool = True,
    ) -> None:
        self._room, self._origin, self._target = room, origin, target
        self._change, self._whole = change, whole
        self.size = _size(room)

    async def __call__(self, touched: Sequence[Touched], *, swapped: bool = False) -> Converted:
        """See Reader."""
        wanted = [(one, routing) for one in touched for routing in self._origin.places(one.routing)]
        pairs = [(one.id, routing) for one, routing in wanted]
        found = await read_now(self._room.client, self._origin.index, pairs)
        hits = [hit for hit in found if hit is not None]
        self.size.learn(Page(hits, None))
        converted = await of_hits(hits, self._change)
        there = {one.id for (one, _), hit in zip(wanted, found, strict=True) if hit is not None}
        unversioned: list[tuple[str, str | None]] = []
        for (one, routing), hit in zip(wanted, found, strict=True):
            if hit is None and one.deleted_version:
                converted.copies.append(Copy(one.id, routing, one.deleted_version, None))
            if hit is None and one.id not in there:
                unversioned.append((one.id, routing))
        if self._whole and not swapped:
            converted.copies.extend(await self._removals(unversioned))
        return converted

    async def _removals(self, gone: Sequence[tuple[str, str | None]]) -> list[Copy]:
        """Of what was removed by something else than a delete, such as a script: as what is there.

        One that a delete has touched too may have been written again after it. A shard also answers with a
        document of another routing: that one is none of these.
        """
        there = await read_now(self._room.client, self._target, gone, sources=False)
        return [
            Copy(hit.id, hit.routing, hit.version, None)
            for hit, (_, routing) in zip(there, gone, strict=True)
            if hit is not None and hit.routing == routing
        ]


class FromSource:
    """Reads a source. What it no longer has is removed.

    `origin`: the index that the source is registered for; its aliases give routings to what names none.
    """

    size: PageSize

    def __init__(self, room: Room, source: Source, change: Change | None, origin: Origin) -> None:
        self._room, self._source, self._change = room, source, change
        self._origin, self._home = origin, origin.routing_by(source.index)
        self.size = _size(room)

    async def __call__(self, touched: Sequence[Touched], *, swapped: bool = False) -> Converted:
        """See Reader. Raises SourceTrouble."""
        version = await self._room.version_now()  # before the read: a later write must win over what is read
        records = await self._fetch(list(dict.fromkeys(one.id for one in touched)))
        converted = await of_records(records.values(), version, self._change, self._home)
        sizes = [Hit(copy.id, None, 0, copy.source) for copy in converted.copies if copy.source is not None]
        self.size.learn(Page(sizes, None))
        for one in touched:
            converted.copies.extend(self._removals(one, records.get(one.id), version))
        return converted

    def _removals(self, one: Touched, record: Record | None, version: int) -> Iterator[Copy]:
        """Of all places but the record's own."""
        for routing in self._origin.places(one.routing):
            if record is None:
                yield Copy(one.id, routing, version, None)
            elif routing != (self._home if record.routing is None else record.routing):
                # It may have moved within one shard: the removal must lose against the record.
                yield Copy(one.id, routing, version - 1, None)

    async def _fetch(self, ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        size = self._room.settings.source_batch_size
        for first in range(0, len(ids), size):
            part = ids[first : first + size]
            answer = found_in(await answered(self._room, self._source.fetch(part)), part)
            if why := answer.strange or (answer.twice and f"two records of one id: {min(answer.twice)!r}"):
                raise SourceTrouble(why)  # what is missing in such an answer may be there
            found |= answer.records
        return found


class CatchUp:
    """See the module. `done` counts what was caught up with in this run, `before` in earlier ones.

    `save` is Store.save.
    """

    def __init__(
        self,
        touched: TouchedSet,
        read: Reader,
        target: Target,
        save: Callable[..., Awaitable[None]],
        *,
        before: int,
    ) -> None:
        self._touched, self._read, self._target = touched, read, target
        self._save, self._before = save, before
        self.done = 0

    async def rounds(self) -> None:
        """Until few are left, or until they come as fast as they go."""
        left = await self._touched.count()
        while left:
            passed = 0
            while passed < left and (number := await self._some(self._target.write)):
                passed += number
            before, left = left, await self._touched.count()
            await self._save(left=left)
            if left < _FEW or left >= before:
                return

    async def to_zero(self) -> None:
        """Until none is left, waiting for nobody: for a moment in which nothing is touched."""
        while await self._some(self._target.write_at_once):
            pass

    async def once_more(self) -> None:
        """Behind the swap: bring the first ones over without forgetting that they were touched."""
        touched = await self._touched.first(_ONCE_MORE)
        while touched:
            number = self._read.size.documents
            part, touched = touched[:number], touched[number:]
            await self._target.write_at_once(await self._read(part, swapped=True))

    async def _some(self, write: Callable[[Converted], Awaitable[None]]) -> int:
        touched = await self._touched.first(self._read.size.documents)
        if touched:
            await write(await self._read(touched))
            self.done += len(touched)
            # Before they are forgotten: what nobody has counted would be a mismatch later on.
            await self._save(caught_up=self._before + self.done)
            await self._touched.forget(touched)
        return len(touched)


def _size(room: Room) -> PageSize:
    """Up to `_ROUND`, or about a request's bytes. It starts low: each document may have megabytes."""
    return PageSize(_ROUND, room.settings.reindex_batch_bytes, _FIRST_ROUND)
