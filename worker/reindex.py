"""Rebuild the index behind an alias: a new index, a copy, one atomic swap. First version.

1. Find what the alias points to; a concrete index of that name is turned into an alias in the swap.
2. Create ``<alias>-<time>`` with the new mappings and settings; no refresh and no replicas while it fills,
   and a longer memory of deleted documents than Elasticsearch's minute (see `gc_deletes`).
3. Refresh the old index, open a point in time on it, and copy with `async_bulk`, versions kept.
4. Refresh, compare the counts, restore the settings, swap the alias in one call. The old index stays,
   unless it bore the alias's own name: then it has to go in the same call.

Writes that come while it runs may miss the new index: a later version catches up with them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from elastic_transport import TransportError
from elasticsearch import AsyncElasticsearch, NotFoundError
from elasticsearch.helpers import async_bulk

from jobs.errors import JobFailed
from jobs.models import ReindexAlias
from jobs.report import Report, refusal

logger = logging.getLogger("penstock.reindex")

_PAGE = 1000
_KEEP_ALIVE = "5m"
_WHILE_FILLING = {"refresh_interval": "-1", "number_of_replicas": 0}


async def reindex_alias(client: AsyncElasticsearch, payload: ReindexAlias, *, gc_deletes: str) -> Report:
    """Rebuild `payload.alias`. Raises JobFailed where it is not there or the counts differ.

    `gc_deletes` is how long the new index remembers deleted documents, unless the payload's settings say.
    """
    if payload.source or payload.transform:
        name = "source" if payload.source else "transform"
        reason = f"no {name} named {payload.source or payload.transform!r} is registered with this worker"
        raise JobFailed(refusal(f"unknown_{name}", reason))
    started = monotonic()
    old, concrete = await _old_index(client, payload.alias)
    new = f"{payload.alias}-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    wanted = {"gc_deletes": gc_deletes} | _flat(payload.settings or {})
    await client.indices.create(index=new, mappings=payload.mappings, settings=wanted | _WHILE_FILLING)
    try:
        copied = await _copy(client, old, new)
        await _check(client, old, new, copied)
        await _restore(client, new, wanted)
    except BaseException:
        await client.options(ignore_status=404).indices.delete(index=new)
        raise
    try:
        await _swap(client, payload.alias, old if concrete else None, new)
    except BaseException:
        # The answer may have been lost after the swap: then the new index is the only one there is.
        if payload.alias not in await _aliases_of(client, new):
            await client.options(ignore_status=404).indices.delete(index=new)
        raise
    logger.info("alias %s: %s replaces %s, %d documents copied", payload.alias, new, old, copied)
    details = {"old_index": old, "new_index": new, "documents": copied, "old_index_kept": not concrete}
    took_ms = round((monotonic() - started) * 1000, 3)
    return Report(index=payload.alias, attempts=1, took_ms=took_ms, details=details)


async def _old_index(client: AsyncElasticsearch, alias: str) -> tuple[str, bool]:
    """The index behind the alias, and whether it is a concrete index of that name."""
    try:
        found = await client.indices.get(index=alias)
    except NotFoundError as error:
        reason = f"there is no index and no alias named {alias!r}"
        raise JobFailed(refusal("index_not_found_exception", reason, index=alias)) from error
    names = sorted(found.body)
    if len(names) != 1:
        reason = f"the alias points to {len(names)} indices ({', '.join(names)}); one was expected"
        raise JobFailed(refusal("ambiguous_alias", reason, index=alias))
    return names[0], names[0] == alias


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with or without ``index`` around them or before each name, all without."""
    inner = settings.get("index")
    flat = {name: value for name, value in settings.items() if name != "index"}
    if isinstance(inner, dict):
        flat |= inner
    return {name.removeprefix("index."): value for name, value in flat.items()}


async def _copy(client: AsyncElasticsearch, old: str, new: str) -> int:
    """Copy every document with its version; how many there were."""
    await client.indices.refresh(index=old)
    pit = (await client.open_point_in_time(index=old, keep_alive=_KEEP_ALIVE))["id"]
    try:
        copied, _ = await async_bulk(client, _documents(client, pit, new), chunk_size=500, max_retries=5)
    finally:
        await client.options(ignore_status=404).close_point_in_time(id=pit)
    return copied


async def _documents(client: AsyncElasticsearch, pit: str, new: str) -> AsyncIterator[dict[str, Any]]:
    after: list[Any] | None = None
    while True:
        page = await client.search(
            pit={"id": pit, "keep_alive": _KEEP_ALIVE},
            size=_PAGE,
            sort=["_shard_doc"],
            version=True,
            track_total_hits=False,
            search_after=after,
        )
        shards = page["_shards"]
        if page["timed_out"] or shards["failed"] or shards["successful"] < shards["total"]:
            raise TransportError("a page of the old index came without all of its shards")
        hits = page["hits"]["hits"]
        if not hits:
            return
        after = hits[-1]["sort"]
        for hit in hits:
            yield _copy_of(hit, new)


def _copy_of(hit: dict[str, Any], new: str) -> dict[str, Any]:
    action = {
        "_index": new,
        "_id": hit["_id"],
        "_version": hit["_version"],
        "_version_type": "external_gte",
        "_source": hit["_source"],
    }
    return action | {"_routing": hit["_routing"]} if "_routing" in hit else action


async def _check(client: AsyncElasticsearch, old: str, new: str, copied: int) -> None:
    await client.indices.refresh(index=new)
    there = (await client.count(index=new))["count"]
    if there != copied:
        reason = (
            f"{copied} documents were copied from {old}, but {new} holds {there}; the alias was not moved"
        )
        raise JobFailed(refusal("count_mismatch", reason, index=new))


async def _restore(client: AsyncElasticsearch, new: str, wanted: dict[str, Any]) -> None:
    """Settings as asked for, or Elasticsearch's defaults."""
    restored = {name: wanted.get(name) for name in _WHILE_FILLING}
    await client.indices.put_settings(index=new, settings={"index": restored})


async def _swap(client: AsyncElasticsearch, alias: str, concrete: str | None, new: str) -> None:
    """Move the alias in one atomic call; a concrete index of that name goes in the same call."""
    removal: dict[str, Any] = {"remove": {"index": "*", "alias": alias}}
    if concrete is not None:
        removal = {"remove_index": {"index": concrete}}
    await client.indices.update_aliases(actions=[removal, {"add": {"index": new, "alias": alias}}])


async def _aliases_of(client: AsyncElasticsearch, index: str) -> set[str]:
    found = await client.indices.get_alias(index=index)
    return set(found.body[index]["aliases"])
