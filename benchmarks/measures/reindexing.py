"""The copy of a reindex: a worker's, page by page out of one index and into another, cursors saved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jobs import IndexQueue

from ..corpus import Pairs, slices
from ..place import NotFit, Place
from ..reading import Reading
from .penstock_jobs import WORKER

_REQUEST_DOCUMENTS = 1000
_SECONDS = 600.0


async def reindex_copy(place: Place, pairs: Pairs) -> Reading:
    """Documents a second while it copies, by the worker's own clock: the rest of a reindex does not grow
    with the index."""
    async with (
        filled(place, pairs) as alias,
        place.queue() as name,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.worker(*WORKER, "--queue", name),
    ):
        report = await (await queue.reindex(alias=alias)).result(timeout=_SECONDS)
        new = report.details["new_index"]
        try:
            await place.expect(new, len(pairs))
        finally:
            await place.elasticsearch.indices.delete(index=new)
        if not (rate := report.details["docs_per_second"]):
            raise NotFit(f"a copy of {len(pairs)} documents took no time that could be measured")
        return Reading(rate)


@asynccontextmanager
async def filled(place: Place, pairs: Pairs) -> AsyncIterator[str]:
    """An alias of an index that holds the documents."""
    async with place.index() as index:
        for part in slices(pairs, _REQUEST_DOCUMENTS):
            lines = [line for id, document in part for line in ({"index": {"_id": id}}, document)]
            await place.elasticsearch.bulk(index=index, operations=lines)
        await place.expect(index, len(pairs))
        alias = f"{index}-alias"
        await place.elasticsearch.indices.put_alias(index=index, name=alias)
        yield alias
