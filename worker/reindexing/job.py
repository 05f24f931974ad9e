"""`reindex` as an arq function; refused under arq's stock worker, which tells nobody what it writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from arq.worker import Retry

from jobs.errors import JobFailed
from jobs.models import ReindexAlias
from jobs.report import Report, refusal

from ..cancelling import end_tasks
from ..intake import payload_of
from ..runtime import runtime_of
from .room import Room
from .run import reindex as run
from .state import Job, NotOwner

_TAKEN_OVER_PAUSE_SECONDS = 5
# A single cancel may be swallowed (see cancelling.py); cleaning up takes less.
_AGAIN_SECONDS = 1.0


async def reindex(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
    """Build a new index behind an alias and move the alias to it, or move it back. Raises JobFailed."""
    payload = payload_of(ReindexAlias, arguments)
    runtime = runtime_of(ctx)
    room = Room(
        client=runtime.client,
        redis=ctx["redis"],
        registry=runtime.registry,
        settings=runtime.settings,
        backoff=runtime.backoff,
        queue=runtime.settings.queue,
    )
    job = Job(ctx["job_id"], int(ctx["enqueue_time"].timestamp() * 1000))
    try:
        async with _until(runtime.stopping):
            return await run(room, payload, job, runtime.live_is_busy)
    except NotOwner:
        # Another worker is at it, or has ended it: if this one still has the job, it finds the report then.
        raise Retry(_TAKEN_OVER_PAUSE_SECONDS) from None


async def refused(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
    """What arq's stock worker answers."""
    payload = payload_of(ReindexAlias, arguments)
    reason = "arq's own worker does not tell which documents it writes: run it with `penstock worker`"
    raise JobFailed(refusal("stock_workers", reason, index=payload.alias))


@asynccontextmanager
async def _until(stopping: asyncio.Event) -> AsyncIterator[None]:
    """Cut the block off when the worker stops: the job goes back at once, and another worker goes on."""
    task = asyncio.current_task()
    assert task is not None

    async def cut() -> None:
        await stopping.wait()
        while True:
            task.cancel()
            await asyncio.sleep(_AGAIN_SECONDS)

    watching = asyncio.create_task(cut())
    try:
        yield
    finally:
        await end_tasks([watching])
