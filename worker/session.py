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
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from settings import Settings

from .batcher import Batcher
from .cancelling import end_tasks
from .claims import Claimed, Claims
from .endings import Endings
from .finisher import Bounds, Finisher
from .function_slots import FunctionSlots
from .holding import Holding
from .intake import Call
from .intake_loop import IntakeLoop
from .lifeline import Lifeline
from .parking import Parking
from .runtime import Runtime
from .taking import Taking

logger = logging.getLogger("penstock.session")

# Even past its deadline a worker tries once to give its jobs back.
_LEAST_SECONDS = 1.0
_REDIS_PAUSE_SECONDS = 1.0


class Session:
    """See the module.

    `redis_once` never repeats a command (see Claims). `functions` are the names that
    `run_functions_by` is for, `most_functions` how many run at a time.
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
        burst: bool,
    ) -> None:
        self._runtime, settings = runtime, runtime.settings
        self._burst = burst
        self._settings: Settings = settings
        self._started = time.time()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._intake_tasks: list[asyncio.Task[Any]] = []
        self.name = runtime.new_name()
        self.claims = Claims(redis, redis_once, settings.queue, self.name)
        self.holding = Holding(settings.max_claimed_jobs, settings.claimed_max_bytes)
        self._parking = Parking(self.claims, self.holding)
        self.batcher: Batcher = runtime.new_batcher(
            self.name, self._parking.blocked, may_send=lambda: self._lifeline.holds()
        )
        self.finisher = Finisher(
            redis,
            settings.queue,
            self.claims,
            runtime.backoff,
            self.holding.remove,
            bounds=Bounds.of(settings),
        )
        self.endings = Endings(self.finisher, self._parking, settings.queue)
        self.taking = self._new_taking(functions)
        self._lifeline = Lifeline(
            self.claims, settings.lease_seconds, settings.heartbeat_seconds, self._about_itself
        )
        self._intake = self._new_intake(redis, may_abort)
        self._slots = FunctionSlots(most_functions, self._intake.wake)

    def _new_taking(self, functions: Collection[str]) -> Taking:
        return Taking(
            self.batcher,
            self.holding,
            self.endings,
            self._parking,
            self.postpone,
            functions=functions,
            sources=self._runtime.registry.sources,
            job_max_bytes=self._settings.job_max_bytes,
            # A burst ends when the queue is empty: it does not wait for a worker to come that knows more.
            park_unknown_seconds=0 if self._burst else self._settings.park_unknown_seconds,
        )

    def _new_intake(self, redis: Redis, may_abort: bool) -> IntakeLoop:
        return IntakeLoop(
            redis,
            self._settings.queue,
            self.claims,
            self.holding,
            self.taking.take,
            poll_seconds=self._settings.poll_seconds,
            function_room=lambda: self._slots.room,
            may_abort=may_abort,
            accepting=self.batcher.accepting,
            calm=self._calm,
            held=lambda index_keys: self._parking.give_back(self.batcher.give_back(index_keys)),
        )

    def run_functions_by(self, start: Callable[[Claimed, Call], asyncio.Task[None]]) -> None:
        """Have `start` run the functions; it reports by `endings.ended` or `given_back`."""
        self.taking.run_function = lambda claimed, call: self._slots.start(
            claimed, partial(start, claimed, call)
        )

    async def run(
        self, stopping: asyncio.Event, *, formerly: str = "", innocent: Sequence[bytes] = ()
    ) -> None:
        """Until told to stop or, in a burst, until nothing is left. Raises LeaseLost.

        `formerly` is the name under which this process lost its lease, `innocent` are the jobs that it held
        then: it lives, so none killed it.
        Lifeline and finisher go on afterwards: `leave` or `abandon` ends them.
        """
        stop = self._start(stopping.wait())
        registered = self._start(self._lifeline.register())
        await asyncio.wait({registered, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not registered.done():  # told to stop before Redis answered
            await end_tasks([registered])  # before `leave`: what it takes afterwards nobody would give up
            return
        registered.result()
        if formerly:
            self._start(self._acquit(formerly, innocent))
        lifeline = self._start(self._lifeline.run())
        finisher = self._start(self.finisher.run())
        self._start(self._parking.run())
        intake = self._start(self._intake.run(burst=self._burst))
        self._intake_tasks = [intake, self._start(self._intake.listen())]
        done, _ = await asyncio.wait({lifeline, finisher, intake, stop}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks(self._intake_tasks)
        for task in done:
            task.result()

    async def leave(self, seconds: float, functions: Coroutine[Any, Any, None]) -> None:
        """Send and report what is ready within `seconds`, put the rest back; `functions` ends those."""
        deadline = time.monotonic() + seconds
        unstarted = self._slots.close()
        await asyncio.gather(self.batcher.drain(seconds), functions)
        try:
            async with asyncio.timeout(max(_LEAST_SECONDS, deadline - time.monotonic())):
                await self.finisher.flushed()
                await self.claims.release((job.id, job.document_keys, None) for job in unstarted)
                given_back = await self.claims.reap(leaving=self.name)
                logger.info("worker %s leaves; %d jobs go back", self.name, given_back.get(self.name, 0))
        except (RedisError, OSError) as error:
            # The lease ends by itself, and another worker takes the jobs over.
            logger.warning("leaving without a word: Redis does not answer (%s)", error)
        await end_tasks(self._tasks)

    async def abandon(self, functions: Coroutine[Any, Any, None]) -> None:
        """Drop everything at once, connections first: it belongs to others. `functions` ends those."""
        self._slots.close()
        await self.batcher.drain(0)
        await functions
        await end_tasks(self._tasks)

    async def given_back(self, claimed: Claimed, score: float | None, *, untried: bool = False) -> None:
        """Put one job back into the queue, at a new score or where it was; see Claims.release.

        Waits for a Redis that does not answer.
        """
        while True:
            try:
                await self.claims.release([(claimed.id, claimed.document_keys, score)], untried=untried)
                break
            except (RedisError, OSError) as error:
                logger.warning(
                    "job %s can't be put back yet: Redis does not answer (%s)", claimed.name, error
                )
                await asyncio.sleep(_REDIS_PAUSE_SECONDS)
        if self.holding.jobs.get(claimed.id) is claimed:  # not claimed again meanwhile
            self.holding.remove(claimed.id)

    def postpone(self, claimed: Claimed, score: float) -> None:
        """Put a job that was not tried back into the queue, to come again at `score`, in ms since 1970."""
        self._start(self._postponed(claimed, score))

    async def _postponed(self, claimed: Claimed, score: float) -> None:
        if claimed.is_owned:
            await self.given_back(claimed, score, untried=True)
            return
        with suppress(RedisError, OSError):  # it has stayed where it was, and is handed out again
            await self.claims.defer(claimed.id, score)

    async def _calm(self) -> None:
        """Wait until all that is held has been sent and answered once, and what has ended is stored."""
        await self.batcher.tried()
        await self.finisher.flushed()

    async def _acquit(self, formerly: str, innocent: Sequence[bytes]) -> None:
        try:
            # Nobody may have noticed yet that the lease had ended: then its jobs go back without suspicion.
            await self.claims.reap(leaving=formerly)
            await self.claims.acquit(innocent)
        except (RedisError, OSError) as error:
            logger.warning("jobs stay under suspicion: Redis does not answer (%s)", error)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        """A job that is postponed has a task of its own, and there may be thousands of them an hour."""
        if not task.cancelled() and task.exception() is None:
            self._tasks.discard(task)

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
