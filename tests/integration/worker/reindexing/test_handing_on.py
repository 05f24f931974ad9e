"""A worker that is told to stop hands its reindex on at once, and another one goes on with it."""

from collections.abc import Awaitable, Callable
from typing import Any

from jobs import IndexQueue, JobHandle, JobStatus, ReindexPhase
from settings import Settings
from tests.processes import until
from worker.process import PenstockWorker

from ..conftest import running
from .conftest import PAGE, Documents


async def queued(handle: JobHandle) -> bool:
    return await handle.status() is JobStatus.QUEUED


async def test_a_stopped_worker_hands_its_reindex_on(
    settings: Settings,
    start_worker: Callable[..., Awaitable[PenstockWorker]],
    queue: IndexQueue,
    filled: Callable[[int], Awaitable[str]],
    documents: Callable[[str], Awaitable[Documents]],
    reaches: Any,
    prefix: str,
    report: Any,
) -> None:
    slow = settings.model_copy(update={"reindex_docs_per_second": float(PAGE)})
    async with running(PenstockWorker(slow)) as first:
        old = await filled(10 * PAGE)
        handle = await queue.reindex(alias=prefix)
        await reaches(prefix, ReindexPhase.COPY)
        first.stop()
        seconds = slow.grace_period_seconds / 2  # it does not wait for the end of the copy
        await until(lambda: queued(handle), seconds, lambda: "the job did not go back")
    half = await queue.reindex_status(prefix)

    await start_worker()
    found = await report(handle)

    assert half.running
    assert half.done < 10 * PAGE
    assert found.details["documents"] == 10 * PAGE
    assert await documents(prefix) == await documents(old)
