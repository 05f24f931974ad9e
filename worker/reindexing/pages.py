"""Documents of an index, page by page, each source as the bytes that Elasticsearch holds.

1. A point in time is what an index held when it was opened, whatever is written meanwhile.
2. A page is cut out of the answer without its sources being parsed: no digit of theirs changes.
3. Vectors are asked for: since 9.2 Elasticsearch leaves them out of `_source` otherwise. An older server does
   not know that wish and leaves out nothing: it refuses, and is asked again without.
4. An answer without all of its shards is no page (`IncompletePage`): ask again. A point in time that
   Elasticsearch has forgotten (a restart, five minutes without a page) is `PointInTimeLost`.

Slices of an index with at least as many shards are whole shards, the fastest way to read it (150,000
documents of 0.5 KB a second, 2 shards, 2 cores). More slices than shards are cut by `_seq_no`, and cost:
35,000 a second for 2 slices of one shard, where one slice reads 100,000, since Elasticsearch reads
neighbours together and these have none. They are worth it only where many cores have nothing to do.
Elasticsearch's default, by Lucene's document numbers, reads faster, but merges move documents from one
slice to another: of 90,000 unchanged documents 15,331 were in the other slice of a later point in time, by
`_seq_no` none. So a slice can start again in a new point in time while the others' work stays: what has not
changed is still in it, and what has changed is caught up with anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from elasticsearch import ApiError, AsyncElasticsearch

from worker.answers import type_and_reason
from worker.elastic import raw_answers

from .hits import LOOKS, PAGES, Answer, Document, Hit, IncompletePage, Unreadable, decoded, hit_of

__all__ = [
    "Count",
    "Hit",
    "IncompletePage",
    "Page",
    "PageSize",
    "PointInTime",
    "PointInTimeLost",
    "Unreadable",
    "read_now",
]

_KEEP_ALIVE = "5m"
_JSON = {"accept": "application/json", "content-type": "application/json"}
_SEARCH_PATH = "/_search?allow_partial_search_results=false"
_LOOK_PATH = "/_mget"
_VECTORS = "exclude_vectors"
_LOOK_PATH_WITH_VECTORS = f"{_LOOK_PATH}?_source_{_VECTORS}=false"
_LOOK_PATH_WITHOUT_SOURCES = f"{_LOOK_PATH}?_source=false"
_FIRST_PAGE = 50
# Also search_context_missing_nodes_exception: the node that held it has left the cluster.
_LOST = "search_context_missing"
# The mapping asks for a routing and none was given: no document can be there.
_NO_ROUTING = "routing_missing_exception"
# What no second look can mend: an alias of several indices or of another routing, a closed or removed index.
_FINAL_ERRORS = frozenset(
    {"illegal_argument_exception", "index_closed_exception", "index_not_found_exception"}
)

# A path and a body.
_Request = tuple[str, dict[str, Any]]


class PointInTimeLost(Exception):
    """Raised when Elasticsearch has forgotten a point in time: open another one."""


class Page(NamedTuple):
    """Hits, and where to go on; `after` is None where nothing is left."""

    hits: list[Hit]
    after: list[Any] | None


class Count(NamedTuple):
    """What a point in time holds, and in how many shards."""

    documents: int
    shards: int


class PageSize:
    """How many documents to ask for, so that pages have about `most_bytes`, whatever a document's size.

    It starts low, at `first`: nobody knows yet whether the documents have a hundred bytes or a megabyte.
    """

    def __init__(self, most_documents: int, most_bytes: int, first: int = _FIRST_PAGE) -> None:
        self._most_documents, self._most_bytes = most_documents, most_bytes
        self.documents = min(most_documents, first)

    def learn(self, page: Page) -> None:
        """From a page that was read; it grows fourfold at the most, and shrinks at once."""
        if not page.hits:
            return
        mean = sum(len(hit.source) for hit in page.hits) / len(page.hits)
        fitting = int(self._most_bytes / max(1.0, mean))
        self.documents = max(1, min(self._most_documents, fitting, 4 * self.documents))


class PointInTime:
    """What an index, or the index behind an alias, held at a moment. `id` may change with each page."""

    def __init__(self, client: AsyncElasticsearch, id: str) -> None:
        self._client, self.id = client, id

    @classmethod
    async def open(cls, client: AsyncElasticsearch, index: str) -> PointInTime:
        """It sees what was refreshed: refresh the index before. Raises ApiError or TransportError."""
        answer = await client.open_point_in_time(
            index=index, keep_alive=_KEEP_ALIVE, allow_partial_search_results=False
        )
        return cls(client, answer["id"])

    async def page(
        self,
        after: list[Any] | None,
        *,
        size: int,
        slice: tuple[int, int] | None = None,
        sources: bool = True,
    ) -> Page:
        """At most `size` documents after a page's `after`, of slice (number from 0, of how many).

        Raises PointInTimeLost, IncompletePage, Unreadable, ApiError or TransportError.
        """
        body: dict[str, Any] = {
            "pit": {"id": self.id, "keep_alive": _KEEP_ALIVE},
            "size": size,
            "sort": ["_shard_doc"],
            "version": True,
            "track_total_hits": False,
            "_source": {_VECTORS: False} if sources else False,
        }
        if after is not None:
            body["search_after"] = after
        if slice is not None and slice[1] > 1:  # Elasticsearch refuses a single one
            body["slice"] = {"field": "_seq_no", "id": slice[0], "max": slice[1]}
        answer = decoded(await self._search(body), PAGES)
        _check_whole(answer)
        self.id = answer.pit_id or self.id
        found = answer.hits.hits
        hits = [hit_of(hit, sources) for hit in found]
        return Page(hits, found[-1].sort if len(found) == size else None)

    async def count(self) -> Count:
        """How many documents it holds. Raises as `page` does."""
        body = {"pit": {"id": self.id, "keep_alive": _KEEP_ALIVE}, "size": 0, "track_total_hits": True}
        answer = decoded(await self._search(body), PAGES)
        _check_whole(answer)
        return Count(answer.hits.total["value"], answer.shards.total)

    async def close(self) -> None:
        """Let Elasticsearch forget it; no error where it has. Raises ApiError or TransportError."""
        await self._client.options(ignore_status=404).close_point_in_time(id=self.id)

    async def _search(self, body: dict[str, Any]) -> bytes:
        try:
            plain = body | {"_source": bool(body.get("_source"))}
            return await _raw_or(self._client, (_SEARCH_PATH, body), (_SEARCH_PATH, plain))
        except ApiError as error:
            # 404, and where some shards still know it another status with the same cause.
            if _LOST in orjson.dumps(error.body, default=str).decode():
                raise PointInTimeLost("Elasticsearch no longer knows this point in time") from error
            raise


async def read_now(
    client: AsyncElasticsearch, index: str, wanted: Sequence[tuple[str, str | None]], *, sources: bool = True
) -> list[Hit | None]:
    """Documents as they are at this moment, refreshed or not, by id and routing; None for what is not there.

    A name can be an alias: its own routing is added to what has none. Raises IncompletePage, Unreadable
    (which names the index where none of its documents can be read so), ApiError or TransportError.
    """
    if not wanted:
        return []
    docs = [
        {"_index": index, "_id": id} | ({} if routing is None else {"routing": routing})
        for id, routing in wanted
    ]
    body = {"docs": docs}
    plain = _LOOK_PATH if sources else _LOOK_PATH_WITHOUT_SOURCES
    answer = await _raw_or(client, (_LOOK_PATH_WITH_VECTORS if sources else plain, body), (plain, body))
    documents = decoded(answer, LOOKS).docs
    if len(documents) != len(wanted):
        raise IncompletePage(f"{len(wanted)} documents were asked for, {len(documents)} were answered")
    return [_read(document, index, sources) for document in documents]


async def _raw_or(client: AsyncElasticsearch, wished: _Request, plain: _Request) -> bytes:
    """The answer with vectors; from a server that does not know that wish, that to the plain request."""
    try:
        return await _raw(client, wished)
    except ApiError as error:
        if error.status_code != 400 or _VECTORS not in orjson.dumps(error.body, default=str).decode():
            raise
    return await _raw(client, plain)


async def _raw(client: AsyncElasticsearch, request: _Request) -> bytes:
    path, body = request
    with raw_answers():
        answer = await client.perform_request("POST", path, headers=_JSON, body=body)
    if not isinstance(answer.body, bytes):
        raise TypeError("expected a client whose serializer is worker.elastic.RawSerializer")
    return answer.body


def _check_whole(answer: Answer) -> None:
    """Raises IncompletePage or PointInTimeLost."""
    shards = answer.shards
    if any(_LOST in str(failure) for failure in shards.failures):
        raise PointInTimeLost("a shard no longer knows this point in time")
    if answer.timed_out or shards.failed or shards.successful < shards.total:
        raise IncompletePage(f"a page came from {shards.successful} of {shards.total} shards")


def _read(document: Document, index: str, sources: bool) -> Hit | None:
    """Raises IncompletePage where the document's shard is away: nothing is known of it. Raises Unreadable."""
    if document.error is not None:
        kind, reason = type_and_reason(document.error)
        if kind == _NO_ROUTING:
            return None
        if kind in _FINAL_ERRORS:
            raise Unreadable(f"documents of {index} can't be read by their ids: {kind}: {reason}")
        raise IncompletePage(f"a document can't be read now: {kind}")
    return hit_of(document, sources) if document.found else None
