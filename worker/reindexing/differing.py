"""Which documents only one of two indices has: a few of them, to be named where counts do not fit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from ..registry import Source
from .converting import Change, Converted, of_hits, of_records
from .pages import PointInTime
from .patience import patiently
from .room import Room
from .state import State
from .swap import look
from .touched import TouchedSet

# All ids of both sides are held in memory for the comparison.
_MOST_DOCUMENTS = 1_000_000
_NAMED = 10
_PAGE = 1000
_MOST_TOUCHED = 10_000

_Key = tuple[str, str | None]


async def differing(
    room: Room, state: State, source: Source | None, change: Change | None, touched: TouchedSet
) -> Mapping[str, list[str]]:
    """Up to ten ids that are `missing` in the new index and up to ten `extra` ones; none of huge indices.

    Documents that were touched meanwhile are left out: they are yet to be caught up with.
    """
    if state.total > _MOST_DOCUMENTS:
        return {}
    origin = await look(room.client, state.old)
    if source:
        sought = _of_source(source, change, origin.routing_by(source.index))
    else:
        sought = _of_index(room, state.old, change)
    wanted = {key async for key in sought}
    there = {key async for key in _of_index(room, state.new, None)}
    for one in await touched.first(_MOST_TOUCHED):
        places = {(one.id, routing) for routing in origin.places(one.routing)}
        wanted -= places
        there -= places
    return {"missing": _some(wanted - there), "extra": _some(there - wanted)}


def _some(keys: set[_Key]) -> list[str]:
    return sorted(id for id, _ in keys)[:_NAMED]


async def _of_index(room: Room, index: str, change: Change | None) -> AsyncIterator[_Key]:
    """What the index holds; with a transform, what that lets through."""
    client, after = room.client, None
    await patiently(lambda: client.indices.refresh(index=index), room.backoff)
    pit = await patiently(lambda: PointInTime.open(client, index), room.backoff)
    try:
        while True:
            page = await pit.page(after, size=_PAGE, sources=change is not None)
            for key in _kept(await of_hits(page.hits, change)):
                yield key
            if (after := page.after) is None:
                return
    finally:
        await pit.close()


async def _of_source(source: Source, change: Change | None, home: str | None) -> AsyncIterator[_Key]:
    batches: Any = source.all(None)
    async with aclosing(batches):
        async for batch in batches:
            for key in _kept(await of_records(batch, 0, change, home)):
                yield key


def _kept(converted: Converted) -> Iterator[_Key]:
    return ((copy.id, copy.routing) for copy in converted.copies if copy.source is not None)
