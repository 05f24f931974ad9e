"""What the tests of arq's behaviour share: the two kinds of worker, made, run and ended in the
test's own loop, and short ways to enqueue and to wait."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import Function, Worker, func, get_kwargs

from settings import Settings
from worker.cancelling import end_tasks
from worker.process import PenstockWorker
from worker.stock import worker_settings

SECONDS = 20.0


class Kind(StrEnum):
    """Whose worker runs the jobs."""

    STOCK = "stock"
    PENSTOCK = "penstock"


def make_worker(kind: Kind, settings: Settings, *, burst: bool = False, **arq: Any) -> Worker:
    """A worker of either kind with what a user's settings class says."""
    match kind:
        case Kind.STOCK:
            members: dict[str, Any] = get_kwargs(worker_settings(settings, **arq))
            return Worker(**members, burst=burst, handle_signals=False)
        case Kind.PENSTOCK:
            return PenstockWorker(settings, burst=burst, **arq)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """A worker at work; its end is awaited with the block."""
    work = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        await (_end_ours(worker, work) if isinstance(worker, PenstockWorker) else _end_arqs(worker, work))


async def _end_ours(worker: PenstockWorker, work: asyncio.Task[None]) -> None:
    worker.stop()
    await asyncio.wait_for(work, SECONDS)
    await close(worker)


async def _end_arqs(worker: Worker, work: asyncio.Task[None]) -> None:
    """arq's `close` fails where it cuts off a job that is just being stored: jobs end first."""
    await end_tasks([work])
    if worker.tasks:
        await asyncio.wait(worker.tasks.values(), timeout=SECONDS)
    await close(worker)


async def close(worker: Worker) -> None:
    """End a worker. arq closes its pool by a name that redis-py has given up."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Call to deprecated close", DeprecationWarning)
        await worker.close()


def named(coroutine: Any, **options: Any) -> Function:
    """A function under its plain name: arq takes the qualified one, which names the test as well."""
    return func(coroutine, name=coroutine.__name__, **options)


async def enqueue(pool: ArqRedis, name: str, *positional: Any, **arguments: Any) -> Job:
    """Enqueue by arq; the job must be a new one."""
    job = await pool.enqueue_job(name, *positional, **arguments)
    assert job is not None, f"{name}: taken for a duplicate"
    return job


async def result(job: Job) -> Any:
    """What a job has returned; what it raised is raised."""
    return await job.result(timeout=SECONDS, poll_delay=0.01)


async def run(pool: ArqRedis, name: str, *positional: Any, **arguments: Any) -> Any:
    """Enqueue by arq and wait for the result."""
    return await result(await enqueue(pool, name, *positional, **arguments))


async def happens(event: asyncio.Event) -> None:
    """Wait for an event; fail where it does not come."""
    await asyncio.wait_for(event.wait(), SECONDS)
