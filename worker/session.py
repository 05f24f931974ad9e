"""The work of one worker under one lease: claim, hand over, report, stay alive, and let go at the end.

1. `run` takes the lease and starts the lifeline, the intake and the finisher.
2. Claimed jobs are read. Writing jobs go to the batcher, others to the function runner.
3. Reports go to the finisher. A job is held until Redis has let go of it.
4. `leave` sends and reports what is ready within the grace period, puts the rest back into the queue and
   gives the lease up.

A lost lease ends `run` with LeaseLost: the jobs belong to others by then, so nothing more may be sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs.report import Report, refusal
from settings import Settings

from .batcher import Batcher
from .cancelling import end_tasks
from .claims import Claimed, Claims
from .delivery import Delivery
from .finisher import Ended, Finisher, How
from .holding import Holding
from .intake import WRITES, Call, Refused, read_call, read_write
from .intake_loop import IntakeLoop
from .lifeline import Lifeline
from .results import Ran, aborted_result, result_of
from .runtime import Runtime

logger = logging.getLogger("penstock.session")

# About 5 ms of reading and serialising; large documents are rarer and slower.
_JOBS_PER_TURN = 100
# Even past its deadline a worker tries once to give its jobs back.
_LEAST_SECONDS = 1.0


class Session:
    """See the module.

    `redis_once` never repeats a command (see Claims). `functions` are the names that
    `run_function` takes; it starts one and reports by `ended` or `given_back`.
    """

    def __init__(
        self,
        runtime: Runtime,
        redis: Redis,
        redis_once: Redis,
        *,
        functions: Collection[str],
        most_functions: int,
        may_abort: bool,
    ) -> None:
        settings = runtime.settings
        self._settings: Settings = settings
        self._functions = functions
        self.run_function: Callable[[Claimed, Call], None] = _no_function
        self._started = time.time()
        self._tasks: list[asyncio.Task[Any]] = []
        self._intake_tasks: list[asyncio.Task[Any]] = []
        self.name = runtime.new_name()
        self.batcher: Batcher = runtime.new_batcher(self.name)
        self.claims = Claims(redis, redis_once, settings.queue, self.name)
        self.holding = Holding(settings.max_claimed_jobs, settings.claimed_max_bytes)
        self.finisher = Finisher(
            redis,
            settings.queue,
            self.claims,
            runtime.backoff,
            self.holding.remove,
            keep_success_ms=settings.keep_success_seconds * 1000,
            keep_failure_ms=settings.keep_failure_seconds * 1000,
        )
        self._lifeline = Lifeline(
            self.claims, settings.lease_seconds, settings.heartbeat_seconds, self._about_itself
        )
        self._intake = IntakeLoop(
            redis,
            settings.queue,
            self.claims,
            self.holding,
            self._take,
            poll_seconds=settings.poll_seconds,
            job_max_bytes=settings.job_max_bytes,
            most_functions=most_functions,
            may_abort=may_abort,
        )

    async def run(self, stopping: asyncio.Event, *, burst: bool) -> None:
        """Until told to stop or, in a burst, until nothing is left. Raises LeaseLost.

        Lifeline and finisher go on afterwards: `leave` or `abandon` ends them.
        """
        stop = self._start(stopping.wait())
        registered = self._start(self._lifeline.register())
        await asyncio.wait({registered, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not registered.done():  # told to stop before Redis answered
            return
        registered.result()
        lifeline = self._start(self._lifeline.run())
        finisher = self._start(self.finisher.run())
        intake = self._start(self._intake.run(burst=burst))
        self._intake_tasks = [intake, self._start(self._intake.listen())]
        done, _ = await asyncio.wait({lifeline, finisher, intake, stop}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(self._intake_tasks)
        for task in done:
            task.result()

    async def leave(self, seconds: float, functions: Coroutine[Any, Any, None]) -> None:
        """Send and report what is ready within `seconds`, put the rest back; `functions` ends those."""
        deadline = time.monotonic() + seconds
        await asyncio.gather(self.batcher.drain(seconds), functions)
        try:
            async with asyncio.timeout(max(_LEAST_SECONDS, deadline - time.monotonic())):
                await self.finisher.flushed()
                given_back = await self.claims.reap(leaving=self.name)
                logger.info("worker %s leaves; %d jobs go back", self.name, given_back.get(self.name, 0))
        except (RedisError, OSError) as error:
            # The lease ends by itself, and another worker takes the jobs over.
            logger.warning("leaving without a word: Redis does not answer (%s)", error)
        await end_tasks(self._tasks)

    async def abandon(self, functions: Coroutine[Any, Any, None]) -> None:
        """Drop everything at once, connections first: it belongs to others. `functions` ends those."""
        await self.batcher.drain(0)
        await functions
        await end_tasks(self._tasks)

    def ended(self, claimed: Claimed, result: bytes, how: How, keep_ms: int | None = None) -> None:
        """Have the end of one job stored and counted."""
        self.finisher.count("jobs")
        if how is How.FAILURE:
            self.finisher.count("failed")
        self.finisher.add(Ended(claimed.id, claimed.document_keys, result, how, keep_ms))

    async def given_back(self, claimed: Claimed, score: float | None) -> None:
        """Put one job back into the queue, at a new score or where it was."""
        await self.claims.release([(claimed.id, claimed.document_keys, score)])
        if self.holding.jobs.get(claimed.id) is claimed:  # not claimed again meanwhile
            self.holding.remove(claimed.id)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _take(self, jobs: Sequence[Claimed]) -> None:
        """Start claimed jobs. The loop gets its turn in between: reading a job takes tens of µs."""
        for number, claimed in enumerate(jobs, 1):
            self.holding.add(claimed)
            self._take_one(claimed)
            if number % _JOBS_PER_TURN == 0:
                self.batcher.pump(only_full=True)
                await asyncio.sleep(0)
        self.batcher.pump()

    def _take_one(self, claimed: Claimed) -> None:
        name, enqueued_ms = "unknown", 0
        try:
            call = read_call(claimed.raw, self._settings.job_max_bytes)
            name, enqueued_ms = call.name[:100], call.enqueued_ms
            self._hand_over(claimed, call)
        except Refused as refused:
            self._report(claimed, name, enqueued_ms, refused.report)
        except RecursionError:
            report = refusal("invalid_job", "nested too deeply: at most about 950 levels")
            self._report(claimed, name, enqueued_ms, report)
        except Exception as error:  # a defect of ours must hurt this job alone
            logger.exception("job %s could not be started", claimed.name)
            report = refusal("internal_error", f"{type(error).__name__}: please report this to Penstock")
            self._report(claimed, name, enqueued_ms, report)

    def _hand_over(self, claimed: Claimed, call: Call) -> None:
        if call.name in WRITES and claimed.attempt < 0:
            ran = self._ran(claimed, call.name, call.enqueued_ms, took_ms=0)
            self.ended(claimed, aborted_result(ran), How.FAILURE)
        elif call.name in WRITES:
            payload, number = read_write(call)
            done = partial(self._report, claimed, call.name, call.enqueued_ms)
            self.batcher.add(Delivery(payload, number, call.document_keys, done).entries)
        elif call.name in self._functions:
            self.holding.functions.add(claimed.id)
            self.run_function(claimed, call)
        else:
            known = ", ".join(sorted({*WRITES, *self._functions}))
            reason = f"no job is named {call.name[:100]!r}; this worker knows {known}"
            raise Refused(refusal("unknown_job", reason))

    def _report(self, claimed: Claimed, name: str, enqueued_ms: int, report: Report) -> None:
        ran = self._ran(claimed, name, enqueued_ms, took_ms=int(report.took_ms))
        self._count(name, report)
        self.ended(claimed, result_of(ran, report), How.FAILURE if report.failed else How.SUCCESS)

    def _ran(self, claimed: Claimed, name: str, enqueued_ms: int, *, took_ms: int) -> Ran:
        now_ms = int(time.time() * 1000)
        return Ran(claimed.name, name, self._settings.queue, enqueued_ms, now_ms - took_ms, now_ms)

    def _count(self, name: str, report: Report) -> None:
        for outcome, number in report.counts.items():
            self.finisher.count(outcome, number)
        if not report.counts and report.outcome:
            self.finisher.count(report.outcome)
        if report.failed:
            first = report.rejected[0]
            # The reason may quote values of the document: it is in the report, not in the log.
            logger.warning("%s %s/%s failed: %s", name, first.index or "-", first.id or "-", first.type)

    def _about_itself(self) -> bytes:
        counts = self.batcher.counts
        return orjson.dumps(
            {
                "host": socket.gethostname(),
                "process": os.getpid(),
                "started": self._started,
                "held": len(self.holding),
                "held_bytes": self.holding.bytes,
                "in_flight": self.batcher.in_flight,
                "requests": counts.requests,
                "actions": counts.actions,
                "troubles": counts.troubles,
            }
        )


def _no_function(claimed: Claimed, call: Call) -> None:
    raise AssertionError(f"{call.name}: a session with functions is given a runner")
