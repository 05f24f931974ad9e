"""What a producer holds after an enqueue: the job's id, its status, its report.

Reads arq's keys and nothing else, so a handle works for any job id, whoever enqueued it.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from . import keys
from .connection import reaching
from .ended import EndedJobs
from .envelope import deserialize
from .errors import JobFailed, JobNotFound, ReportTimeout
from .report import Report, refusal

# The worker tells when the job has ended (see ended.py); the poll is for what is lost on the way, and for
# arq's stock worker, which tells nobody.
_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5
_POLL_GROWTH = 1.5


class JobStatus(StrEnum):
    """Where a job stands; the same words as arq's."""

    DEFERRED = "deferred"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"
    NOT_FOUND = "not_found"


class JobHandle:
    """One job, by its id. Cheap: nothing is read until it is asked for."""

    __slots__ = ("_ended", "_queue", "_redis", "id")

    def __init__(self, id: str, redis: Redis, queue: str, ended: EndedJobs | None = None) -> None:
        self.id, self._redis, self._queue, self._ended = id, redis, queue, ended

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    async def status(self) -> JobStatus:
        """Where the job stands now. Raises QueueUnavailable."""
        with reaching("tell the status"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.exists(keys.RESULT_PREFIX + self.id)
                pipe.exists(keys.IN_PROGRESS_PREFIX + self.id)
                pipe.zscore(self._queue, self.id)
                complete, in_progress, score = await pipe.execute()
        if complete:
            return JobStatus.COMPLETE
        if in_progress:
            return JobStatus.IN_PROGRESS
        if score is None:
            return JobStatus.NOT_FOUND
        deferred = time.time() * 1000 < score < keys.CLAIMED_SCORE
        return JobStatus.DEFERRED if deferred else JobStatus.QUEUED

    async def report(self) -> Report | None:
        """The report of the ended job, of a failed one too; None while it has not ended."""
        raw = await self._stored_result()
        return None if raw is None else read_report(raw)

    async def result(self, timeout: float | None = None) -> Report:
        """The report, waited for up to `timeout` seconds (None: as long as the job lives).

        Raises JobFailed (with the report) where an action was rejected, JobNotFound where neither job
        nor report exists, ReportTimeout, and CancelledError where the job was aborted.
        """
        ended = self._ended or EndedJobs(self._redis, self._queue)
        try:
            with ended.waiting_for(self.id) as event:
                try:
                    raw = await self._waited_for(event, ended, timeout)
                except (JobNotFound, ReportTimeout):
                    await self._wait_no_more(event, ended)
                    raise
                await self._wait_no_more(event, ended)
                return read_success(raw)
        finally:
            if ended is not self._ended:
                await ended.close()

    async def _waited_for(self, event: asyncio.Event, ended: EndedJobs, timeout: float | None) -> bytes:
        """The stored result. Raises JobNotFound, ReportTimeout."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        delay = _FIRST_POLL_SECONDS
        raw, lives = await self._end(tell=ended.channel if await ended.subscribed() else None)
        while raw is None:
            if not lives:
                raise JobNotFound(f"job {self.id}: never enqueued here, or its report has expired")
            left = deadline - time.monotonic()
            if left <= 0:
                raise ReportTimeout(f"job {self.id} has not ended within {timeout} s ({await self.status()})")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(delay, left)):
                    await event.wait()
            raw, lives = await self._end()
            delay = min(delay * _POLL_GROWTH, _LONGEST_POLL_SECONDS)
        return raw

    async def _wait_no_more(self, event: asyncio.Event, ended: EndedJobs) -> None:
        """Take the wish to be told back, unless it was fulfilled; what ends the job may tell nobody."""
        if event.is_set() or ended.waiters(self.id) > 1:
            return
        awaited = keys.awaited(self._queue)
        with suppress(RedisError, OSError):  # the report is known, or known not to be there
            # Another client may wait in the place of this one.
            if await self._redis.hget(awaited, self.id) == ended.channel.encode():  # type: ignore[misc]
                await self._redis.hdel(awaited, self.id)  # type: ignore[misc]

    async def _end(self, tell: str | None = None) -> tuple[bytes | None, bool]:
        """The stored result, and whether the job lives, seen in one step; `tell`: a channel for its end."""
        with reaching("tell the report"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(keys.RESULT_PREFIX + self.id)
                pipe.exists(keys.JOB_PREFIX + self.id)
                if tell:
                    pipe.hset(keys.awaited(self._queue), self.id, tell)
                raw, lives, *_ = await pipe.execute()
        return raw, bool(lives)

    async def _stored_result(self) -> bytes | None:
        with reaching("tell the report"):
            raw: bytes | None = await self._redis.get(keys.RESULT_PREFIX + self.id)
            return raw


class Enqueued(JobHandle):
    """The job was stored and will be run."""

    __slots__ = ()


class Duplicate(JobHandle):
    """Nothing was stored: the idempotency key belongs to the earlier job that this handle names."""

    __slots__ = ()


def read_report(raw: bytes) -> Report:
    """The report in a stored result, failed or not. Raises UnreadableJob where it is none of ours."""
    members = deserialize(raw)
    match members.get("r"):
        case JobFailed(report=report):
            return report
        case asyncio.CancelledError():
            return refusal("cancelled", "the job was aborted")
        case result:
            return _as_report(result, success=members.get("s") is True)


def read_success(raw: bytes) -> Report:
    """The report in a stored result. Raises JobFailed or CancelledError where the job did not succeed."""
    members = deserialize(raw)
    result = members.get("r")
    if isinstance(result, BaseException):
        raise result
    report = _as_report(result, success=members.get("s") is True)
    if report.failed:
        raise JobFailed(report)
    return report


def _as_report(result: Any, *, success: bool) -> Report:
    """A custom arq function may answer with anything: what is no report goes into its details."""
    if not success:
        return refusal("unknown", str(result))
    try:
        return Report.from_wire(result)
    except (TypeError, ValueError, AttributeError):
        return Report(details={"result": result})
