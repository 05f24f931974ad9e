"""The swap: every name of one index to another one, in one call; and what if no answer comes.

1. Send the call; while its answer is awaited the hold is renewed.
2. No answer: look where the alias points. Elasticsearch drops a call that waited for its master longer than
   its time, so a call that has not moved the alias by then never will, and is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch, NotFoundError
from redis.exceptions import RedisError

from jobs.errors import JobFailed
from jobs.report import refusal

from ..cancelling import end_tasks
from .hold import HoldLost
from .patience import is_final
from .plan import Origin, origin_of

logger = logging.getLogger("penstock.reindex")

_RENEW_SECONDS = 0.5
_MASTER_TIMEOUT = "5s"
_LOOK_AGAIN_SECONDS = 0.5
# The call's own time at the master, and the answer's way.
_ANSWER_SECONDS = 10.0

T = TypeVar("T")
Renew = Callable[[], Awaitable[None]]


class Way(NamedTuple):
    """A move of an alias from one index to another one."""

    alias: str
    old: str
    new: str


async def look(client: AsyncElasticsearch, name: str) -> Origin:
    """What a name leads to now. Raises JobFailed where that is no single index, or nothing."""
    try:
        found = await client.indices.get(index=name)
    except NotFoundError as error:
        reason = f"there is no index and no alias named {name!r}"
        raise JobFailed(refusal("index_not_found_exception", reason, index=name)) from error
    return origin_of(name, found.body)


async def leads_to(client: AsyncElasticsearch, alias: str, index: str) -> bool:
    """Whether the alias leads to this index, perhaps among others."""
    return index in await _behind(client, alias)


async def has_gone(client: AsyncElasticsearch, way: Way) -> bool:
    """Whether the alias leads to the new index and no longer to the old one: one that leads to both has got
    there by other means, such as a template, while the new one is half filled."""
    there = await _behind(client, way.alias)
    return way.new in there and way.old not in there


async def _behind(client: AsyncElasticsearch, name: str) -> Collection[str]:
    """The indices that a name leads to."""
    try:
        found: dict[str, Any] = (await client.indices.get(index=name)).body
    except NotFoundError:
        return ()
    return found


async def take_aliases_off(client: AsyncElasticsearch, index: str) -> None:
    """Have no name lead to an index that is to be filled: a template may give it some. It may be missing."""
    found = (await client.options(ignore_status=404).indices.get_alias(index=index)).body
    if aliases := sorted(found.get(index, {}).get("aliases", {})):
        action = {"remove": {"index": index, "aliases": aliases}}
        await client.indices.update_aliases(actions=[action])
        logger.info("%s has got these aliases by a template, and is filled without them: %s", index, aliases)


async def move(client: AsyncElasticsearch, way: Way, actions: list[dict[str, Any]], renew: Renew) -> None:
    """Until the alias has moved, under a hold that `renew` keeps.

    Raises ApiError where Elasticsearch refuses to move it: it has not moved then.
    """
    while True:
        try:
            await _renewed(_send(client, actions), renew)
            return
        except (ApiError, TransportError) as error:
            if await _renewed(_has_moved(client, way), renew):
                return
            if is_final(error):
                raise
            logger.warning("no answer to moving alias %s (%s): once more", way.alias, type(error).__name__)


async def moves_late(client: AsyncElasticsearch, way: Way, renew: Renew) -> bool:
    """Whether a call that an earlier run has sent moves the alias yet; False once it never will.

    The jobs have to be held meanwhile, which `renew` sees to.
    """
    ends = monotonic() + _ANSWER_SECONDS
    while not await _renewed(_has_moved(client, way), renew):
        if monotonic() >= ends:
            return False
    return True


async def _send(client: AsyncElasticsearch, actions: list[dict[str, Any]]) -> None:
    patient = client.options(request_timeout=_ANSWER_SECONDS)
    await patient.indices.update_aliases(
        actions=actions, master_timeout=_MASTER_TIMEOUT, timeout=_MASTER_TIMEOUT
    )


async def _has_moved(client: AsyncElasticsearch, way: Way) -> bool:
    """The first answer that can be had."""
    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    while True:
        try:
            return await has_gone(client, way)
        except (ApiError, TransportError) as error:
            logger.warning("alias %s: not known whether it has moved (%s)", way.alias, type(error).__name__)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _renewed(work: Coroutine[Any, Any, T], renew: Renew) -> T:
    """The answer; the hold lives on until it is there. A lost hold is no reason not to wait for it."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_RENEW_SECONDS)
            with suppress(HoldLost, RedisError, OSError):
                await renew()
        return task.result()
    finally:
        await end_tasks([task])
