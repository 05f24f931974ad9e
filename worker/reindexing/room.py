"""What every step of a reindex works with, and how it asks: one object, so that steps take few arguments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys
from jobs.errors import JobFailed
from jobs.outcomes import Outcome
from jobs.report import Rejection, Report
from settings import Settings

from ..backoff import Backoff
from ..cancelling import end_tasks
from ..registry import Registry
from ..scripts import script
from .pages import IncompletePage
from .patience import is_final
from .writing import Rejected

T = TypeVar("T")

_REPORTED = 10
# The factor between the number of a job and the versions of its writes (worker/actions.py).
_VERSIONS_PER_NUMBER = 1024


class SourceTrouble(Exception):
    """Raised when a source did not answer; asked again, it may."""


@dataclass(frozen=True, slots=True)
class Room:
    """See the module. `queue` is the one that the job of the reindex came by."""

    client: AsyncElasticsearch
    redis: Redis
    registry: Registry
    settings: Settings
    backoff: Backoff
    queue: str

    async def version_now(self) -> int:
        """Above the version of every write enqueued so far, and below that of every later one."""
        number = await self.redis.register_script(script("number_now"))(keys=[keys.LAST_NUMBER])
        return int(number) * _VERSIONS_PER_NUMBER + 1


def passes_by(error: Exception) -> bool:
    """Whether a step that raised this is to be begun again: a server or a source is away."""
    if isinstance(error, ApiError | TransportError):
        return not is_final(error)
    return isinstance(error, IncompletePage | SourceTrouble | RedisError | OSError)


def check_rejected(rejected: Sequence[Rejected], index: str) -> None:
    """Raises JobFailed, with the first of the documents, where there are any."""
    if not rejected:
        return
    first = tuple(
        Rejection(one.type, one.reason, index=index, id=one.id, position=number)
        for number, one in enumerate(rejected[:_REPORTED])
    )
    details = {"rejected_documents": len(rejected)}
    raise JobFailed(Report(outcome=Outcome.REJECTED, index=index, rejected=first, details=details))


async def side_by_side(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Until all are done; the first that fails ends the others, and its error is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await end_tasks(tasks)


async def answered(room: Room, call: Awaitable[T]) -> T:
    """What a source answers, within its time. Raises SourceTrouble."""
    try:
        async with asyncio.timeout(room.settings.source_timeout_seconds):
            return await call
    except Exception as error:  # it is the service's code: whatever is wrong with it may be mended meanwhile
        raise SourceTrouble(f"the source did not answer: {type(error).__name__}") from error
