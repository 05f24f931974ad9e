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
    again: bool = False,
    progress: Callable[[Place], None] = lambda place: None,
) -> Place:
    """Compare the index with the source, and enqueue repairs on `queue` where they are wanted.

    `again`: from the beginning, though an earlier one was cut off. Raises JobFailed for what is not
    registered or does not fit, and whatever source, Elasticsearch and Redis raise.
    """
    source = _source(registry, payload)
    name = keys.verification(payload.index, payload.source)
    stored = None if again else await redis.get(name)
    place = _place(stored) or Place(payload.index, payload.source, time.time())

    async def save(place: Place) -> None:
        await redis.set(name, place.to_json(), ex=_KEPT_SECONDS)
        progress(place)

    progress(place)
    repair = _repair(IndexQueue(redis, queue=queue), payload) if payload.repair else None
    place = await Verification(client, source, place, backoff, save=save, repair=repair).run()
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


def _place(stored: bytes | None) -> Place | None:
    try:
        return Place.from_json(stored) if stored else None
    except (ValueError, TypeError, KeyError):  # written by another version
        return None


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
