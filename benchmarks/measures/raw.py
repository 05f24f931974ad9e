"""Elasticsearch's own limit here: prebuilt bodies, two connections, the answers thrown away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiohttp
import orjson

from ..corpus import Pairs, slices
from ..place import Place
from ..reading import Reading

REQUEST_DOCUMENTS = 500
_CONNECTIONS = 2
_NDJSON = {"Content-Type": "application/x-ndjson"}


async def raw_bulk(place: Place, pairs: Pairs) -> Reading:
    """Documents a second."""
    async with place.index() as index, aiohttp.ClientSession(headers=_NDJSON) as session:
        bodies = [_body(index, part) for part in slices(pairs, REQUEST_DOCUMENTS)]
        waiting = iter(bodies)
        watch = place.stopwatch()
        await asyncio.gather(*(_post_all(session, place, waiting) for _ in range(_CONNECTIONS)))
        reading = watch.rate(len(pairs))
        await place.expect(index, len(pairs))
        return reading


async def _post_all(session: aiohttp.ClientSession, place: Place, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        async with session.post(f"{place.elasticsearch_url}/_bulk", data=body) as answer:
            answer.raise_for_status()
            await answer.read()


def _body(index: str, pairs: Pairs) -> bytes:
    lines = []
    for id, document in pairs:
        lines += [orjson.dumps({"index": {"_index": index, "_id": id}}), orjson.dumps(document)]
    return b"\n".join(lines) + b"\n"
