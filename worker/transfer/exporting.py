"""All documents of an index, as they were at one moment, handed on line by line in a bounded memory.

1. Refresh, so that what was acknowledged is seen, and open a point in time.
2. Read its slices side by side; of each a page is on its way while the last one is written.
3. Compare: as many lines as the point in time holds documents, or it was no export.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch, AuthorizationException

from ..backoff import Backoff
from ..cancelling import end_tasks
from ..reindexing.pages import Hit, Page, PageSize, PointInTime
from ..reindexing.patience import patiently
from ..reindexing.plan import lacking_sources
from .lines import line_of

Write = Callable[[bytes], Awaitable[None]]
Progress = Callable[[int, int], None]

_PAGE_DOCUMENTS = 2000
_PAGE_BYTES = 4 * 1024 * 1024
_MOST_SLICES = 4


class ExportBroken(Exception):
    """Raised when what was written is not the whole index, or would not be."""


async def export(
    client: AsyncElasticsearch, index: str, write: Write, backoff: Backoff, progress: Progress
) -> int:
    """Write every document of an index or alias as a line; how many there were.

    `progress` is told how many lines are written, and of how many. Raises ExportBroken, PointInTimeLost,
    Unreadable, ApiError where Elasticsearch refuses, TransportError where it does not answer from the first,
    and what `write` raises.
    """
    # Not patiently: where nobody answers from the first, whoever waits is to hear of it.
    with suppress(AuthorizationException):  # who may only read exports what is refreshed
        await client.indices.refresh(index=index)
    with suppress(AuthorizationException):  # and what there is of the sources
        await _check_whole(client, index, backoff)
    pit = await patiently(lambda: PointInTime.open(client, index), backoff)
    try:
        count = await patiently(pit.count, backoff)
        progress(0, count.documents)
        # More slices than shards would cost more than they bring: see pages.
        slices = max(1, min(count.shards, _MOST_SLICES))
        written = await _all(pit, slices, write, backoff, lambda done: progress(done, count.documents))
    finally:
        with suppress(ApiError, TransportError):  # it ends by itself
            await pit.close()
    if written != count.documents:
        raise ExportBroken(f"{written} documents were written, and {index} held {count.documents}")
    return written


async def _check_whole(client: AsyncElasticsearch, index: str, backoff: Backoff) -> None:
    """Raises ExportBroken where an index does not keep all of its documents' sources."""
    found = await patiently(lambda: client.indices.get(index=index), backoff)
    for name, told in found.body.items():
        if lacking := lacking_sources(told):
            raise ExportBroken(f"documents of {name} can't be read in whole: {lacking}")


async def _all(
    pit: PointInTime, slices: int, write: Write, backoff: Backoff, progress: Callable[[int], None]
) -> int:
    done = 0
    turn = asyncio.Lock()

    async def one(number: int) -> None:
        nonlocal done
        async with aclosing(_pages(pit, (number, slices), backoff)) as pages:
            async for hits in pages:
                lines = b"".join(map(line_of, hits))
                async with turn:
                    await write(lines)
                    done += len(hits)
                    progress(done)

    tasks = [asyncio.create_task(one(number)) for number in range(slices)]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(tasks)
    return done


async def _pages(pit: PointInTime, slice: tuple[int, int], backoff: Backoff) -> AsyncGenerator[list[Hit]]:
    """The hits of each page of a slice, while the next one is on its way."""
    size = PageSize(_PAGE_DOCUMENTS, _PAGE_BYTES)
    page = Page([], [])
    after = None
    while page.after is not None:
        ahead = asyncio.create_task(_page(pit, after, size, slice, backoff))
        try:
            if page.hits:
                yield page.hits
            page = await ahead
        finally:
            await end_tasks([ahead])
        size.learn(page)
        after = page.after
    yield page.hits


async def _page(
    pit: PointInTime, after: list[object] | None, size: PageSize, slice: tuple[int, int], backoff: Backoff
) -> Page:
    return await patiently(lambda: pit.page(after, size=size.documents, slice=slice), backoff)
