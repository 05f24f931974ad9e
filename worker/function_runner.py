"""Runs a job that is a function of its own: Penstock's `load` and `reindex`, custom functions, cron jobs.

It does what arq's `Worker.run_job` does (context, hooks, tries, time limit, Retry, abort), in one task and
without arq's round trips: the payload came with the claim, the end leaves with the other reports.

1. A job that was aborted, or is out of tries, ends before it starts.
2. The function runs under its time limit, between the user's hooks.
3. Success, failure and abort are stored; Retry and a cancelled run (a worker that stops) go back to the
   queue. Only Retry uses up a try.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from arq.cron import CronJob
from arq.jobs import serialize_result
from arq.utils import ms_to_datetime, timestamp_ms
from arq.worker import Function, JobExecutionFailed, Retry, RetryJob, Worker
from redis.exceptions import RedisError

from jobs import JobFailed

from .claims import Claimed
from .finisher import How
from .intake import Call
from .session import Session

logger = logging.getLogger("penstock.functions")

_REDIS_PAUSE_SECONDS = 1.0


class _Back(Exception):
    """Raised when a run has to be repeated; `score` None: at its place in the queue, as if never begun."""

    def __init__(self, score: float | None) -> None:
        self.score = score


class FunctionRunner:
    """Runs functions for one session of an arq worker."""

    def __init__(self, worker: Worker, session: Session) -> None:
        self._worker, self._session = worker, session

    def start(self, claimed: Claimed, call: Call) -> None:
        """Run one job in a task of its own."""
        worker, name = self._worker, claimed.name
        task = worker.loop.create_task(self._run(claimed, call))
        worker.tasks[name] = worker.job_tasks[name] = task
        task.add_done_callback(lambda done: self._done(name, done))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        for tasks in (self._worker.tasks, self._worker.job_tasks):
            if tasks.get(name) is task:  # given back, it may have been claimed again by now
                del tasks[name]
        self._worker.aborting_tasks.discard(name)
        if not task.cancelled() and (error := task.exception()):
            logger.error("job %s has no end yet; it is run again after this worker", name, exc_info=error)

    async def _run(self, claimed: Claimed, call: Call) -> None:
        started_ms = timestamp_ms()
        attempt = max(claimed.attempt, call.first_try or 0)
        try:
            result: Any = await self._result(claimed, call, attempt)
            success = True
        except _Back as back:
            self._worker.jobs_retried += 1
            await self._give_back(claimed, back.score)
            return
        except asyncio.CancelledError as error:
            aborted = claimed.attempt < 0 or claimed.name in self._worker.aborting_tasks
            if self._worker.retry_jobs and not aborted:  # the worker stops: in the function or in a hook
                await self._give_back(claimed, None)
                return
            result, success = error, False
            self._log_failure(claimed, call, error)
        except Exception as error:
            result, success = error, False
            self._log_failure(claimed, call, error)
        self._end(claimed, call, attempt, started_ms, success=success, result=result)
        await _hook(self._worker.after_job_end, self._context(claimed, call, attempt))

    async def _result(self, claimed: Claimed, call: Call, attempt: int) -> Any:
        worker = self._worker
        if claimed.attempt < 0:
            raise asyncio.CancelledError
        function = worker.functions[call.name]
        most = worker.max_tries if function.max_tries is None else function.max_tries
        if attempt > most:
            raise JobExecutionFailed(f"max {most} retries exceeded")
        context = self._context(claimed, call, attempt)
        await _hook(worker.on_job_start, context)
        try:
            return await self._within_limit(function, claimed, context, call)
        finally:
            await _hook(worker.on_job_end, context)

    def _context(self, claimed: Claimed, call: Call, attempt: int) -> dict[str, Any]:
        """What arq hands to a function and to the hooks around it."""
        return {
            **self._worker.ctx,
            "job_id": claimed.name,
            "job_try": attempt,
            "enqueue_time": ms_to_datetime(call.enqueued_ms),
            "score": int(claimed.score),
        }

    async def _within_limit(
        self, function: Function | CronJob, claimed: Claimed, context: dict[str, Any], call: Call
    ) -> Any:
        limit = self._worker.job_timeout_s if function.timeout_s is None else function.timeout_s
        try:
            async with asyncio.timeout(limit):
                return await function.coroutine(context, *call.positional, **call.arguments)
        except Retry as retry:
            if not self._worker.retry_jobs:
                raise
            raise _Back(timestamp_ms() + (retry.defer_score or 0)) from None
        except RetryJob:
            if not self._worker.retry_jobs:
                raise
            raise _Back(None) from None

    async def _give_back(self, claimed: Claimed, score: float | None) -> None:
        while True:
            try:
                await self._session.given_back(claimed, score)
                return
            except (RedisError, OSError) as error:
                logger.warning(
                    "job %s can't be put back yet: Redis does not answer (%s)", claimed.name, error
                )
                await asyncio.sleep(_REDIS_PAUSE_SECONDS)

    def _log_failure(self, claimed: Claimed, call: Call, error: BaseException) -> None:
        if isinstance(error, JobFailed):  # an answer, not a defect; its reason may quote a document
            logger.warning("%s %s failed: %s", call.name, claimed.name, error.report.rejected[0].type)
        elif isinstance(error, asyncio.CancelledError):
            logger.info("%s %s aborted", call.name, claimed.name)
        else:
            logger.error("%s %s failed", call.name, claimed.name, exc_info=error)

    def _end(
        self, claimed: Claimed, call: Call, attempt: int, started_ms: int, *, success: bool, result: Any
    ) -> None:
        self._worker.jobs_complete += success
        self._worker.jobs_failed += not success
        keep_ms, kept = self._keeping(self._worker.functions[call.name])
        if success and not kept:
            self._session.ended(claimed, b"", How.UNTOLD)
            return
        stored = self._stored(claimed, call, attempt, started_ms, success, result) or b""
        if success:
            self._session.ended(claimed, stored, How.SUCCESS, keep_ms)
        else:  # kept as long as every other failure
            self._session.ended(claimed, stored, How.FAILURE)

    def _keeping(self, function: Function | CronJob) -> tuple[int, bool]:
        """How long a success is kept in ms (0 for ever), and whether it is kept at all, as arq decides it."""
        worker = self._worker
        forever = function.keep_result_forever
        if worker.keep_result_forever if forever is None else forever:
            return 0, True
        seconds = worker.keep_result_s if function.keep_result_s is None else function.keep_result_s
        return int((seconds or 0) * 1000), bool(seconds)

    def _stored(
        self, claimed: Claimed, call: Call, attempt: int, started_ms: int, success: bool, result: Any
    ) -> bytes | None:
        return serialize_result(
            call.name,
            (),
            {},
            attempt,
            call.enqueued_ms,
            success,
            result,
            started_ms,
            timestamp_ms(),
            f"{claimed.name}:{call.name}",
            self._worker.queue_name,
            claimed.name,
            serializer=self._worker.job_serializer,
        )


async def _hook(hook: Callable[[dict[Any, Any]], Awaitable[None]] | None, context: dict[str, Any]) -> None:
    if hook:
        await hook(context)
