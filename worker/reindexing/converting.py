"""Documents as the new index is to have them: the bytes as they are, or what a transform makes of each.

A transform is somebody's code. What it raises concerns its document alone and is reported with it; while it
is at work the event loop gets its turn every few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from .. import exact_json
from ..records import body_of
from ..registry import Document, Record
from .pages import Hit
from .writing import Copy, Rejected

Change = Callable[[Document], Awaitable[Document | None]]

# Live traffic waits for no longer than this; a single call that takes longer is its author's to mend.
_TURN_SECONDS = 0.005
# Elasticsearch's own limit of a request (http.max_content_length).
_MOST_BYTES = 100 * 1024 * 1024


class Converted(NamedTuple):
    """Copies to write, those of dropped documents with no source; and what a transform could not take."""

    copies: list[Copy]
    failed: list[Rejected]

    @property
    def dropped(self) -> int:
        """Documents that the new index is not to have."""
        return sum(copy.source is None for copy in self.copies)

    def kept(self) -> Converted:
        """Without the dropped ones: a new index has nothing that would have to be removed."""
        if not self.dropped:
            return self
        return Converted([copy for copy in self.copies if copy.source is not None], self.failed)


async def of_hits(hits: Iterable[Hit], change: Change | None) -> Converted:
    """Hits, each with its own version; without a transform to the byte as they are."""
    if change is None:
        return Converted([Copy(*hit) for hit in hits], [])
    made = _Made()
    for hit in hits:
        read = partial(exact_json.loads, hit.source)
        await made.add(hit.id, hit.routing, hit.version, read, change)
    return made.converted


async def of_records(
    records: Iterable[Record], version: int, change: Change | None, home: str | None = None
) -> Converted:
    """Records of a source, all with one version: that of the moment before they were read.

    `home`: the routing of records that name none, where the name that jobs write them by gives them one.
    """
    made = _Made(pipeline=True)
    for record in records:
        routing = home if record.routing is None else record.routing
        if record.document is None:
            made.converted.copies.append(Copy(record.id, routing, version, None))
        else:
            read: Callable[[], Any] = partial(dict, record.document)  # its own, for a transform to change
            await made.add(record.id, routing, version, read, change)
    return made.converted


class _Made:
    def __init__(self, *, pipeline: bool = False) -> None:
        self._pipeline = pipeline
        self.converted = Converted([], [])
        self._turn_ends = monotonic() + _TURN_SECONDS

    async def add(
        self, id: str, routing: str | None, version: int, read: Callable[[], Any], change: Change | None
    ) -> None:
        try:
            document = read() if change is None else await change(read())
            source = None if document is None else body_of(document, _MOST_BYTES)
        except Exception as error:
            kind = "transform_failed" if change else "bad_record"
            self.converted.failed.append(Rejected(id, kind, f"{type(error).__name__}: {error}"))
        else:
            self.converted.copies.append(Copy(id, routing, version, source, self._pipeline))
        if monotonic() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = monotonic() + _TURN_SECONDS
