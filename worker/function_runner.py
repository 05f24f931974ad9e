"""Runs a job that is a function of its own: Penstock's `load` and `reindex`, custom functions, cron jobs.

It does what arq's `Worker.run_job` does (context, hooks, tries, time limit, Retry, abort), in one task and
without arq's round trips: the payload came with the claim, the end leaves with the other reports.

1. A job that was aborted, or is out of tries, ends before it starts, and no hook is called.
2. The function runs under its time limit, between `on_job_start` and `on_job_end`.
3. Success, failure and abort are stored. Retry, RetryJob and a cancelled run go back to the queue; a try is
   used up, but for a run that was cancelled because the worker stops.
4. `after_job_end` is called when Redis has the end, or has the job back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

from arq.cron import CronJob
from arq.jobs import SerializationError
from arq.utils import ms_to_datetime, timestamp_ms
from arq.worker import Function, JobExecutionFailed, Retry, RetryJob, Worker

from jobs import JobFailed, Report, serialize
from jobs.report import refusal

from .claims import ABORTED, Claimed
from .finisher import How
from .intake import Call
from .session import Session

logger = logging.getLogger("penstock.functions")


class _Run(NamedTuple):
    """One try of one job. `context` is what the function and all hooks around it are given."""

    claimed: Claimed
    call: Call
    attempt: int
    started_ms: int
    context: dict[str, Any]


class _End(NamedTuple):
    """How a try ended: a result, or what was raised."""

    success: bool
    result: Any


class _Back(NamedTuple):
    """A try that has to be repeated, at a score; None: at its place in the queue, as if never begun."""

    score: float | None


class FunctionRunner:
    """Runs functions for one session of an arq worker."""

    def __init__(self, worker: Worker, session: Session) -> None:
        self._worker, self._session = worker, session

    def start(self, claimed: Claimed, call: Call) -> asyncio.Task[None]:
        """Run one job in a task of its own."""
        worker, name = self._worker, claimed.name
        task = worker.loop.create_task(self._run(claimed, call))
        worker.tasks[name] = worker.job_tasks[name] = task
        task.add_done_callback(lambda done: self._done(name, done))
        return task

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        for tasks in (self._worker.tasks, self._worker.job_tasks):
            if tasks.get(name) is task:  # given back, it may have been claimed again by now
                del tasks[name]
        if not task.cancelled() and (error := task.exception()):
            logger.error("job %s has no end yet; it is run again after this worker", name, exc_info=error)

    async def _run(self, claimed: Claimed, call: Call) -> None:
        run = self._begin(claimed, call)
        refused = self._refused(run)
        ended = refused or await self._try(run)
        again = None if refused else self._again(run, ended)
        self._worker.job_tasks.pop(claimed.name, None)
        self._worker.aborting_tasks.discard(claimed.name)
        if again:
            self._worker.jobs_retried += 1
            await self._session.given_back(claimed, again.score)
        else:
            self._end(run, ended)
        if self._worker.after_job_end and not refused:
            await self._session.holding.released(claimed.id)
            await self._after(run)

    def _begin(self, claimed: Claimed, call: Call) -> _Run:
        # arq's `_job_try`: the try to begin with, from which the later ones count on.
        attempt = claimed.attempt + max(0, (call.first_try or 1) - 1)
        context = {
            **self._worker.ctx,
            "job_id": claimed.name,
            "job_try": attempt,
            "enqueue_time": ms_to_datetime(call.enqueued_ms),
            "score": int(claimed.score),
        }
        return _Run(claimed, call, attempt, timestamp_ms(), context)

    def _refused(self, run: _Run) -> _End | None:
        """How a job ends that is not to be started."""
        if run.claimed.attempt == ABORTED:
            return _End(False, asyncio.CancelledError())
        function = self._worker.functions[run.call.name]
        most = self._worker.max_tries if function.max_tries is None else function.max_tries
        if run.attempt > most:
            return _End(False, JobExecutionFailed(f"max {most} retries exceeded"))
        return None

    async def _try(self, run: _Run) -> _End:
        worker, call = self._worker, run.call
        function = worker.functions[call.name]
        limit = worker.job_timeout_s if function.timeout_s is None else function.timeout_s
        try:
            await _hook(worker.on_job_start, run.context)
            try:
                async with asyncio.timeout(limit):
                    result = await function.coroutine(run.context, *call.positional, **call.arguments)
            finally:
                worker.job_tasks.pop(run.claimed.name, None)  # it can be aborted no more, as in arq
                await _hook(worker.on_job_end, run.context)
        except (Exception, asyncio.CancelledError) as error:
            return _End(False, error)
        return _End(True, result)

    def _again(self, run: _Run, ended: _End) -> _Back | None:
        """Whether a try is to be repeated, as arq decides it."""
        if ended.success or not self._worker.retry_jobs:
            return None
        match ended.result:
            case Retry() as retry:
                return _Back(timestamp_ms() + (retry.defer_score or 0))
            case asyncio.CancelledError():
                return self._cancelled(run)
            case RetryJob():
                return _Back(run.claimed.score)
            case _:
                return None

    def _cancelled(self, run: _Run) -> _Back | None:
        if run.claimed.name in self._worker.aborting_tasks:
            return None
        task = asyncio.current_task()
        assert task is not None
        # Without a cancel from outside it is the function's own, and would come again without end.
        return _Back(None if task.cancelling() else run.claimed.score)

    async def _after(self, run: _Run) -> None:
        try:
            await _hook(self._worker.after_job_end, run.context)
        except Exception:
            logger.exception("after_job_end failed; job %s is not concerned", run.claimed.name)

    def _log_failure(self, claimed: Claimed, call: Call, error: BaseException) -> None:
        if isinstance(error, JobFailed):  # an answer, not a defect; its reason may quote a document
            logger.warning("%s %s failed: %s", call.name, claimed.name, error.report.rejected[0].type)
        elif isinstance(error, asyncio.CancelledError):
            logger.info("%s %s aborted", call.name, claimed.name)
        else:
            logger.error("%s %s failed", call.name, claimed.name, exc_info=error)

    def _end(self, run: _Run, ended: _End) -> None:
        ended, stored = self._stored(run, ended)
        self._worker.jobs_complete += ended.success
        self._worker.jobs_failed += not ended.success
        keep_ms, kept = self._keeping(self._worker.functions[run.call.name])
        if not ended.success:  # kept as long as every other failure
            self._log_failure(run.claimed, run.call, ended.result)
            self._session.endings.ended(run.claimed, stored, How.FAILURE)
        elif kept:
            self._session.endings.ended(run.claimed, stored, How.SUCCESS, keep_ms)
        else:
            self._session.endings.ended(run.claimed, b"", How.UNTOLD)

    def _keeping(self, function: Function | CronJob) -> tuple[int, bool]:
        """How long a success is kept in ms (0 for ever), and whether it is kept at all, as arq decides it."""
        worker = self._worker
        forever = function.keep_result_forever
        if worker.keep_result_forever if forever is None else forever:
            return 0, True
        seconds = worker.keep_result_s if function.keep_result_s is None else function.keep_result_s
        return int((seconds or 0) * 1000), bool(seconds)

    def _stored(self, run: _Run, ended: _End) -> tuple[_End, bytes]:
        """How it ended and what arq stores of that: a result that JSON can't hold is a failure, as in arq."""
        try:
            return ended, serialize(self._members(run, ended))
        except (TypeError, ValueError, RecursionError) as error:
            failed = _End(False, SerializationError(f"JSON can't hold the result: {error}"))
            return failed, serialize(self._members(run, failed))

    def _members(self, run: _Run, ended: _End) -> dict[str, Any]:
        retry_of = run.call.retried.retry_of
        result = ended.result if retry_of is None else _naming(ended.result, retry_of)
        return {
            "t": run.attempt,
            "f": run.call.name,
            "a": [],
            "k": {},
            "et": run.call.enqueued_ms,
            "s": ended.success,
            "r": result,
            "st": run.started_ms,
            "ft": timestamp_ms(),
            "q": self._worker.queue_name,
            "id": run.claimed.name,
        }


def _naming(result: Any, retry_of: str) -> Any:
    """The result of a retried job with the dead letter's id, where it is a report or will be read as one."""
    match result:
        case Report():
            return replace(result, retry_of=retry_of)
        case JobFailed(report=report):
            return JobFailed(replace(report, retry_of=retry_of))
        case Exception():
            reason = str(result).encode("utf-8", "backslashreplace").decode()
            return JobFailed(replace(refusal(type(result).__name__, reason), retry_of=retry_of))
        case _:  # what a custom function answers is its own affair
            return result


async def _hook(hook: Callable[[dict[Any, Any]], Awaitable[None]] | None, context: dict[str, Any]) -> None:
    if hook:
        await hook(context)
