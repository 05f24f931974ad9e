"""One `_bulk` request: its body from lines, its items from the answer. No retries, no meaning.

The client's helpers (`async_streaming_bulk`) build and compare every line once more, for retries and chunks
that must not be done here: about 10 us an action.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch

from .lines import Line

# Not `client.bulk`: it sends PUT, which aiohttp sends again by itself where a kept connection was lost, and
# retries have one owner. `timeout`: a shard without a primary answers in time, as an item of its own; after
# the default of a minute the whole request would have failed.
_PATH = "/_bulk?timeout=5s"
_HEADERS = {"accept": "application/json", "content-type": "application/x-ndjson"}


class NotElasticsearch(Exception):
    """Raised when an answer is none of Elasticsearch's, though its status says success."""


async def send_bulk(client: AsyncElasticsearch, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The items of the answer, one a line, each without the name of its operation around it.

    Raises ApiError, TransportError or NotElasticsearch.
    """
    answer = await client.perform_request(
        "POST", _PATH, headers=_HEADERS, body=_body(lines), endpoint_id="bulk"
    )
    return _items(answer.body, len(lines))


def without_frames(error: ApiError | TransportError) -> ApiError | TransportError:
    """The error, without the stacks of its own and of what it came from.

    The client keeps the error in a frame of that stack, a cycle, and the frames hold the request's body:
    in an outage the memory grew by each of them until the garbage collector came (measured).
    """
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error


def _body(lines: Sequence[Line]) -> bytes:
    """The body of a request. In a function of its own, so that its parts are gone while it travels."""
    parts: list[bytes] = []
    for line in lines:
        parts.append(orjson.dumps(line.header))
        if line.body is not None:
            parts.append(line.body)
    parts.append(b"")  # the body ends with a newline
    return b"\n".join(parts)


def _items(answer: Any, wanted: int) -> list[dict[str, Any]]:
    """The items of a bulk answer. Raises NotElasticsearch where there is not exactly one for each line.

    With one missing nobody knows which it is: what the others say is not worth believing either.
    """
    try:
        items = [item for named in answer["items"] for item in named.values()]
        if all(type(item) is dict for item in items) and len(items) == wanted:
            return items
    except (KeyError, TypeError, AttributeError):
        pass
    raise NotElasticsearch(f"the answer to a bulk request of {wanted} actions does not have {wanted} items")
