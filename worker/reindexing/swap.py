"""The swap: every name of one index to another one, in one call; and what if no answer comes.

1. Send the call; while its answer is awaited the hold is renewed.
2. No answer: look where the alias points. Elasticsearch drops a call that waited for its master longer than
   its time, so a call that has not moved the alias by then never will, and is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

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
    try:
        return index in (await client.indices.get(index=alias)).body
    except NotFoundError:
        return False


async def move(
    client: AsyncElasticsearch, alias: str, target: str, actions: list[dict[str, Any]], renew: Renew
) -> None:
    """Until the alias leads to `target`, under a hold that `renew` keeps.

    Raises ApiError where Elasticsearch refuses to move it: it has not moved then.
    """
    while True:
        try:
            await _renewed(_send(client, actions), renew)
            return
        except (ApiError, TransportError) as error:
            if await _renewed(_has_moved(client, alias, target), renew):
                return
            if is_final(error):
                raise
            logger.warning("no answer to moving alias %s (%s): once more", alias, type(error).__name__)


async def moves_late(client: AsyncElasticsearch, alias: str, target: str, renew: Renew) -> bool:
    """Whether a call that an earlier run has sent moves the alias yet; False once it never will.

    The jobs have to be held meanwhile, which `renew` sees to.
    """
    ends = monotonic() + _ANSWER_SECONDS
    while not await _renewed(_has_moved(client, alias, target), renew):
        if monotonic() >= ends:
            return False
    return True


async def _send(client: AsyncElasticsearch, actions: list[dict[str, Any]]) -> None:
    patient = client.options(request_timeout=_ANSWER_SECONDS)
    await patient.indices.update_aliases(
        actions=actions, master_timeout=_MASTER_TIMEOUT, timeout=_MASTER_TIMEOUT
    )


async def _has_moved(client: AsyncElasticsearch, alias: str, target: str) -> bool:
    """The first answer that can be had."""
    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    while True:
        try:
            return await leads_to(client, alias, target)
        except (ApiError, TransportError) as error:
            logger.warning("alias %s: not known whether it has moved (%s)", alias, type(error).__name__)
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
