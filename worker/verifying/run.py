"""One verification, from its name to its findings: for the job and for the command alike.

How far it has come is kept in Redis under the index and the source: the next one of both goes on where the
last was cut off, whoever ran it. One that came to its end leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import DeleteDocument, IndexQueue, LoadDocuments, Payload, keys
from jobs.errors import JobFailed
from jobs.models import VerifyIndex
from jobs.report import refusal

from ..backoff import Backoff
from ..registry import Registered, Registry
from .comparing import Difference, Kind
from .findings import Place
from .reading import Reading
from .verification import Repair, Verification

# One that was cut off longer ago says little of today's documents, and is begun anew.
_KEPT_SECONDS = 86_400
_IDS_PER_LOAD = 100


async def verify(
    client: AsyncElasticsearch,
    redis: Redis,
    registry: Registry,
    payload: VerifyIndex,
    backoff: Backoff,
    *,
    queue: str,
    source_timeout: float,
    again: bool = False,
    progress: Callable[[Place], None] = lambda place: None,
) -> Place:
    """Compare the index with the source, and enqueue repairs on `queue` where they are wanted.

    `source_timeout`: seconds for each call of the source. `again`: from the beginning, though an earlier one
    was cut off. Raises JobFailed for what is not registered or does not fit, SourceFailed, BadRecord,
    Unreadable for an index without whole sources, and what Elasticsearch's and Redis' clients raise.
    """
    source = _source(registry, payload)
    name = keys.verification(payload.index, payload.source)
    stored = None if again else await redis.get(name)
    place = _place(stored, payload) or Place(payload.index, payload.source, time.time(), payload.repair)

    async def save(place: Place) -> None:
        await redis.set(name, place.to_json(), ex=_KEPT_SECONDS)
        progress(place)

    progress(place)
    repair = _repair(IndexQueue(redis, queue=queue), payload) if payload.repair else None
    reading = Reading(source, source_timeout)
    place = await Verification(client, reading, place, backoff, save=save, repair=repair).run()
    await redis.delete(name)
    return place


def _source(registry: Registry, payload: VerifyIndex) -> Registered:
    source = registry.sources.get(payload.source)
    if source is None:
        known = ", ".join(sorted(registry.sources)) or "none"
        reason = f"source: no source is named {payload.source!r} here; registered: {known}"
        raise JobFailed(refusal("unknown_source", reason, index=payload.index))
    if payload.repair and payload.index != source.index:
        reason = (
            f"repair: source {payload.source!r} writes to {source.index!r}, so that {payload.index!r} can be "
            "compared with it and not repaired"
        )
        raise JobFailed(refusal("invalid_job", reason, index=payload.index))
    return source


def _place(stored: bytes | None, payload: VerifyIndex) -> Place | None:
    """Where to go on. One that repairs does not go on where one that does not was: those are not repaired."""
    try:
        place = Place.from_json(stored) if stored else None
    except (ValueError, TypeError, KeyError):  # written by another version
        return None
    goes_on = place is not None and place.repair == payload.repair and place.side != "done"
    return place if goes_on else None


def _repair(queue: IndexQueue, payload: VerifyIndex) -> Repair:
    async def repair(differences: Sequence[Difference]) -> None:
        await queue.enqueue_many(_repairs(payload, differences))

    return repair


def _repairs(payload: VerifyIndex, differences: Sequence[Difference]) -> Iterator[Payload]:
    """A load for every id. It knows no routing of what is gone: such a document is deleted before it.

    The load comes after the delete, and reads the source later still: what came back meanwhile is written.
    """
    for difference in differences:
        if difference.kind is Kind.EXTRA and difference.routing is not None:
            yield DeleteDocument(index=payload.index, id=difference.id, routing=difference.routing)
    ids = list(dict.fromkeys(difference.id for difference in differences))
    for start in range(0, len(ids), _IDS_PER_LOAD):
        yield LoadDocuments(source=payload.source, ids=tuple(ids[start : start + _IDS_PER_LOAD]))
