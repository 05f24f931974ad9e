"""Penstock's jobs under arq's own worker: ``arq worker.WorkerSettings``.

The same functions and the same batching, with arq's claim and arq's speed. arq reads only the class's
own attributes, so all of them stand here. A service with functions of its own makes its own class:

    WorkerSettings = worker_settings(load(), functions=[send_mail], cron_jobs=[cron(nightly, hour=3)])
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from arq.worker import func

from jobs import serialize
from settings import Settings

from .arq_settings import ArqSettingsError, refused_names
from .cancelling import end_tasks
from .functions import deserialize_for_arq, stock_functions, taken_names
from .redis_client import arq_redis_settings, redis_pool
from .runtime import CONTEXT_KEY, Runtime
from .sharing import Kind, Mark
from .start_checks import check_start

logger = logging.getLogger("arq.penstock")

Hook = Callable[[dict[Any, Any]], Awaitable[None]]

_LACKING = (
    "this is arq's stock worker: the order of writes is kept within one process only, a killed worker's "
    "jobs wait for a day (arq's in-progress keys), reports of failures are kept no longer than others. "
    "`penstock worker` has none of these limits"
)


def worker_settings(
    settings: Settings,
    *,
    functions: Sequence[Any] = (),
    on_startup: Hook | None = None,
    on_shutdown: Hook | None = None,
    **arq: Any,
) -> type:
    """The class that arq's command line takes. The keywords add what a user's own settings class would.

    Raises ArqSettingsError where one of them is for Penstock's own settings to decide.
    """
    if refused := refused_names(arq):
        raise ArqSettingsError(f"{', '.join(refused)}: these are PENSTOCK_ variables or decided by Penstock")
    own, life = stock_functions(), _Life(settings, on_startup, on_shutdown)
    members = {
        "queue_name": settings.queue,
        "redis_settings": arq_redis_settings(settings),
        "redis_pool": redis_pool(settings),
        # arq reads these from the worker, not from its pool; its default is pickle.
        "job_serializer": serialize,
        "job_deserializer": deserialize_for_arq,
        "max_jobs": settings.max_claimed_jobs,
        "keep_result": settings.keep_success_seconds,
        "job_completion_wait": int(settings.grace_period_seconds),
        "poll_delay": settings.poll_seconds,
        "health_check_interval": 60,
        **arq,
        "functions": [*own, *functions],
        "on_startup": life.start,
        "on_shutdown": life.stop,
    }
    if taken := taken_names({function.name: function for function in map(func, members["functions"])}, own):
        raise ArqSettingsError(f"these names are Penstock's own jobs: {', '.join(taken)}")
    return type("WorkerSettings", (), members)


class _Life:
    """The start and the end of one stock worker, with the user's hooks inside them."""

    def __init__(self, settings: Settings, on_startup: Hook | None, on_shutdown: Hook | None) -> None:
        self._settings, self._on_startup, self._on_shutdown = settings, on_startup, on_shutdown
        self._runtime: Runtime | None = None
        self._mark: Mark | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self, ctx: dict[Any, Any]) -> None:
        """Check, leave a mark for Penstock's workers, make what jobs need. Raises StartRefused."""
        mark = Mark(ctx["redis"], self._settings.queue, Kind.STOCK, self._settings.lease_seconds)
        await check_start(ctx["redis"], self._settings, mark)
        self._mark, self._keeping = mark, asyncio.create_task(mark.keep())
        ctx[CONTEXT_KEY] = self._runtime = Runtime(self._settings)
        logger.warning(_LACKING)
        if self._on_startup:
            await self._on_startup(ctx)

    async def stop(self, ctx: dict[Any, Any]) -> None:
        """Close what `start` has made; nothing where it was refused."""
        try:
            if self._on_shutdown and self._runtime is not None:
                await self._on_shutdown(ctx)
        finally:
            if self._runtime is not None:
                await self._runtime.close()
            if self._mark is not None and self._keeping is not None:
                await end_tasks([self._keeping])
                await self._mark.remove()
