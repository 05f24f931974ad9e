"""The reference workers: arq as it comes, one job at a time, with a no-op and with one `es.index` a job.

The two settings that cost most at their defaults are set well, and the log lines of each job are off
(`--custom-log-dict benchmarks.stock.LOGGING`): a reference is to be beaten at its best.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import deserialize, serialize
from settings import load
from worker.redis_client import arq_redis_settings

LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"arq": {"level": "WARNING"}}}


async def noop(ctx: Mapping[Any, Any], **arguments: Any) -> None:
    """Does nothing: what is left is the cost of a job."""


async def index_one(ctx: Mapping[Any, Any], *, index: str, id: str, document: dict[str, Any]) -> None:
    """One request for one document, as a first version of such a worker is written."""
    await ctx["elasticsearch"].index(index=index, id=id, document=document)


async def _start(ctx: dict[Any, Any]) -> None:
    url = os.environ["PENSTOCK_ELASTICSEARCH_URL"]
    ctx["elasticsearch"] = AsyncElasticsearch(url, connections_per_node=50)


async def _stop(ctx: dict[Any, Any]) -> None:
    await ctx["elasticsearch"].close()


class Stock:
    """For arq's own command."""

    functions = (noop, index_one)
    on_startup = _start
    on_shutdown = _stop
    max_jobs = 50
    poll_delay = 0.01
    keep_result = 60
    queue_name = os.environ.get("PENSTOCK_QUEUE", "arq:queue")
    redis_settings = arq_redis_settings(load())
    job_serializer = serialize
    job_deserializer = deserialize
    log_results = False


class NoOp:
    """For `penstock worker`: the same no-op beside Penstock's own jobs."""

    functions = (noop,)
    max_jobs = 500
