"""Penstock's jobs under arq's own worker: ``arq worker.WorkerSettings``.

The same functions and the same batching, with arq's claim and arq's speed. arq reads only the class's
own attributes, so all of them stand here.
"""

from __future__ import annotations

import logging
from typing import Any

from jobs import deserialize, serialize
from settings import Settings, load

from .functions import stock_functions
from .redis_client import arq_redis_settings, redis_pool
from .runtime import CONTEXT_KEY, Runtime

logger = logging.getLogger("arq.penstock")

_LACKING = (
    "this is arq's stock worker: the order of writes is kept within one process only, a killed worker's "
    "jobs wait for a day (arq's in-progress keys), reports of failures are kept no longer than others. "
    "`penstock worker` has none of these limits"
)


async def _start(ctx: dict[Any, Any]) -> None:
    ctx[CONTEXT_KEY] = Runtime(load())
    logger.warning(_LACKING)


async def _stop(ctx: dict[Any, Any]) -> None:
    if runtime := ctx.get(CONTEXT_KEY):
        await runtime.close()


def worker_settings(settings: Settings) -> type:
    """The class that arq's command line takes."""
    members = {
        "functions": stock_functions(),
        "queue_name": settings.queue,
        "redis_settings": arq_redis_settings(settings),
        "redis_pool": redis_pool(settings),
        # arq reads these from the worker, not from its pool; its default is pickle.
        "job_serializer": serialize,
        "job_deserializer": deserialize,
        "on_startup": _start,
        "on_shutdown": _stop,
        "max_jobs": settings.max_claimed_jobs,
        "keep_result": settings.keep_success_seconds,
        "job_completion_wait": int(settings.grace_period_seconds),
        "poll_delay": settings.poll_seconds,
        "health_check_interval": 60,
    }
    return type("WorkerSettings", (), members)
