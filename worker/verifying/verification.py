"""Streams a source and an index past each other, and tells what differs.

1. The source's side: each batch of records is compared with the documents of those ids: missing, different.
2. The index's side: each page of ids is looked up in the source: extra.
3. What differs is looked at once more, on both sides, when what was on its way has had time to arrive.
4. What still differs counts; for a repair a `load` is enqueued for it, which reads the source anew.

How far it has come is saved after each batch: one that was interrupted goes on there. A point in time that is
gone begins its side anew, and what was found on that side with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import TypeVar

from elasticsearch import AsyncElasticsearch

from ..backoff import Backoff
from ..registry import Record
from ..reindexing.pages import Hit, Page, PageSize, PointInTime, PointInTimeLost, read_now
from ..reindexing.patience import patiently
from .comparing import Difference, Kind, extra, from_source, misrouted
from .findings import Place
from .reading import Reading

_PAGE = 500
_PAGE_BYTES = 8 * 1024 * 1024
# Differences that wait for their second look, and for how long: nothing is saved meanwhile.
_MOST_WAITING = 2000
_MOST_SECONDS = 10.0

T = TypeVar("T")
Save = Callable[[Place], Awaitable[None]]
Repair = Callable[[Sequence[Difference]], Awaitable[None]]


class Verification:
    """See the module. `settle_seconds` lie between the two looks at what differs; `backoff` between two tries
    to reach Elasticsearch."""

    def __init__(
        self,
        client: AsyncElasticsearch,
        source: Reading,
        place: Place,
        backoff: Backoff,
        *,
        save: Save,
        repair: Repair | None = None,
        settle_seconds: float = 2.0,
    ) -> None:
        self._client, self._source, self._place, self._backoff = client, source, place, backoff
        self._save, self._repair = save, repair
        self._settle_seconds = settle_seconds
        self._size = PageSize(_PAGE, _PAGE_BYTES)
        self._waiting: list[Difference] = []
        self._oldest = self._latest = 0.0

    async def run(self) -> Place:
        """To its end. Raises SourceFailed, BadRecord, Unreadable, and ApiError for what is final."""
        if self._place.side == "source":
            await self._source_side()
            await self._second_look()
            await self._turn_to("index")
        if self._place.side == "index":
            await self._index_side()
            await self._second_look()
            self._place.documents = self._place.done
            await self._turn_to("done")
        return self._place

    async def _turn_to(self, side: str) -> None:
        place = self._place
        place.side, place.after, place.pit, place.done = side, None, None, 0
        place.before = place.findings.copy()
        await self._save(place)

    async def _source_side(self) -> None:
        place = self._place
        place.total = await self._count_documents()
        async for records in self._source.batches(place.after):
            while records:
                part, records = records[: self._size.documents], records[self._size.documents :]
                await self._passed(await self._compared(part), len(part), part[-1].id)

    async def _index_side(self) -> None:
        while True:
            try:
                await self._pages()
                return
            except PointInTimeLost:
                place = self._place
                place.after, place.pit, place.done = None, None, 0
                place.findings = place.before.copy()
                self._waiting.clear()

    async def _pages(self) -> None:
        place = self._place
        place.total = await self._count_documents()
        if place.pit is None:
            place.pit = (await self._asked(self._open)).id
        pages = PointInTime(self._client, place.pit)
        while True:
            page = await self._asked(partial(pages.page, place.after, size=_PAGE, sources=False))
            place.pit = pages.id
            if page.hits:
                records = await self._source.fetch(hit.id for hit in page.hits)
                await self._passed(await self._extra(page.hits, records), len(page.hits), page.after)
            if page.after is None:
                break
        await self._asked(pages.close)

    async def _open(self) -> PointInTime:
        await self._client.indices.refresh(index=self._place.index)
        return await PointInTime.open(self._client, self._place.index)

    async def _passed(self, differences: Sequence[Difference], number: int, after: object) -> None:
        """So many more are compared, up to `after`. What differs is looked at again before that is saved."""
        place = self._place
        if differences:
            self._latest = monotonic()
            self._oldest = self._oldest if self._waiting else self._latest
            self._waiting += differences
        place.done += number
        place.after = after
        if len(self._waiting) >= _MOST_WAITING or monotonic() > self._oldest + _MOST_SECONDS:
            await self._second_look()
        if not self._waiting:  # else an interrupted run would not look at those again
            await self._save(place)

    async def _second_look(self) -> None:
        """Count what differs still."""
        if not self._waiting:
            return
        await asyncio.sleep(max(0.0, self._latest + self._settle_seconds - monotonic()))
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _PAGE):
            await self._count(await self._still(waiting[start : start + _PAGE]))
        await self._save(self._place)

    async def _count(self, differences: Sequence[Difference]) -> None:
        self._place.findings.add(differences)
        if self._repair is not None and differences:
            await self._repair(differences)
            self._place.findings.repaired += len(differences)

    async def _still(self, differences: Sequence[Difference]) -> list[Difference]:
        records = await self._source.fetch(difference.id for difference in differences)
        surplus = [(one.id, one.routing) for one in differences if one.kind is Kind.EXTRA]
        there = [hit for hit in await self._hits(surplus) if hit is not None]
        found = await self._extra(there, records)
        ids = {one.id for one in differences if one.kind is not Kind.EXTRA}
        found += await self._compared([record for id, record in records.items() if id in ids])
        return found

    async def _compared(self, records: Sequence[Record]) -> list[Difference]:
        wanted = [(record.id, record.routing) for record in records]
        return from_source(records, await self._hits(wanted))

    async def _extra(self, hits: Sequence[Hit], records: Mapping[str, Record]) -> list[Difference]:
        """Documents without a record. One under another routing than its record's is none of them where the
        index's name finds it there all the same: an alias may add a routing of its own."""
        odd = [records[hit.id] for hit in misrouted(hits, records)]
        found = await self._hits([(record.id, record.routing) for record in odd]) if odd else ()
        homes = {hit.id: hit.routing for hit in found if hit is not None}
        return extra(hits, records, homes)

    async def _hits(self, wanted: Sequence[tuple[str, str | None]]) -> list[Hit | None]:
        hits = await self._asked(partial(read_now, self._client, self._place.index, wanted))
        self._size.learn(Page([hit for hit in hits if hit is not None], None))
        return hits

    async def _count_documents(self) -> int:
        answer = await self._asked(partial(self._client.count, index=self._place.index))
        return int(answer["count"])

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await patiently(ask, self._backoff)
