"""Reads what is there when all is healed: reports, documents, and what is left over in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import keys
from jobs.handle import read_report
from jobs.keys import DEFAULT_QUEUE
from jobs.report import Report
from tests.faults.checker import Facts

_PAGE = 5000
# What may be there without jobs and without workers. All else belongs to somebody who is gone.
_HISTORY = (
    keys.RESULT_PREFIX,
    keys.LAST_NUMBER,
    keys.idempotency_prefix(DEFAULT_QUEUE),
    keys.counters(DEFAULT_QUEUE),
    keys.failures(DEFAULT_QUEUE),
    keys.dead_letters(DEFAULT_QUEUE),
    keys.retried_prefix(DEFAULT_QUEUE),
    keys.marks(DEFAULT_QUEUE),  # of killed workers; each says when it ends
    keys.QUEUES,
    keys.REINDEXES,
    keys.reindex_state(""),
    keys.TOUCHED,  # for a rollback, as long as the index before is kept
    keys.TOUCHING,
    f"{DEFAULT_QUEUE}:health-check",  # arq's, of all workers; a killed one leaves it to expire
)


async def facts(
    redis: Redis, elasticsearch: AsyncElasticsearch, index: str, others: Collection[str] = ()
) -> Facts:
    """Everything that the checker compares; the workers must have ended.

    `index` may be a pattern. `others` are ended jobs that are on no document: the ledger does not know them.
    """
    ended = await redis.hget(keys.counters(DEFAULT_QUEUE), "jobs")  # type: ignore[misc]  # typed for both clients
    names = await _names(redis)
    reports = await _reports(redis, [name for name in names if name.startswith(keys.RESULT_PREFIX)])
    return Facts(
        reports={job: report for job, report in reports.items() if job not in others},
        documents=await documents(elasticsearch, index),
        ended=int(ended or 0) - len(others),
        leftovers=_leftovers(names),
    )


async def leftovers(redis: Redis) -> list[str]:
    """Keys that belong to an unfinished job, or to a worker."""
    return _leftovers(await _names(redis))


async def unfinished(redis: Redis) -> int:
    """Jobs that have not ended: queued, claimed, or aside."""
    return int(await redis.zcard(DEFAULT_QUEUE))


async def documents(elasticsearch: AsyncElasticsearch, index: str) -> dict[str, dict[str, Any]]:
    """Every document of the index, or of all that a pattern names: id to content."""
    return {hit["_id"]: hit["_source"] async for hit in hits(elasticsearch, index)}


async def hits(elasticsearch: AsyncElasticsearch, index: str) -> AsyncIterator[dict[str, Any]]:
    """The same as Elasticsearch tells them, with routings."""
    await elasticsearch.indices.refresh(index=index)
    after: list[Any] | None = None
    pit = {"id": (await elasticsearch.open_point_in_time(index=index, keep_alive="1m"))["id"]}
    while True:
        page = await elasticsearch.search(pit=pit, size=_PAGE, sort=["_shard_doc"], search_after=after)
        found = page["hits"]["hits"]
        if not found:
            break
        for hit in found:
            yield hit
        after = found[-1]["sort"]
    await elasticsearch.close_point_in_time(id=pit["id"])


async def _names(redis: Redis) -> list[str]:
    return [name.decode() async for name in redis.scan_iter(count=10_000)]


def _leftovers(names: list[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith(_HISTORY))


async def _reports(redis: Redis, names: list[str]) -> dict[str, Report]:
    stored = await redis.mget(names) if names else []
    pairs = zip(names, stored, strict=True)
    return {name.removeprefix(keys.RESULT_PREFIX): read_report(raw) for name, raw in pairs if raw is not None}
