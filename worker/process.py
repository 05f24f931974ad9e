"""Penstock's worker: arq's `Worker` with its claim, its finish and its stop replaced.

arq's keys, functions, cron jobs, context and hooks stay as its users know them. What differs:
jobs are claimed and finished many at a time (Session), writing jobs share bulk requests, a signal never
costs a job a try, and a lost lease starts a new session instead of writing under the old one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any

from arq.worker import Worker
from redis.exceptions import RedisError

from jobs import deserialize, serialize
from settings import Settings

from .cancelling import end_tasks
from .claims import LeaseLost
from .function_runner import FunctionRunner
from .functions import own_functions
from .intake import WRITES
from .redis_client import redis_pool
from .runtime import CONTEXT_KEY, Runtime
from .session import Session

logger = logging.getLogger("penstock.worker")

_ARQ_ROUND_SECONDS = 0.5
_CLEANUP_SECONDS = 5.0


class PenstockWorker(Worker):
    """One worker process. Made inside its running loop; `async_run`, then `close`.

    `functions` are custom arq functions that run beside Penstock's own jobs.
    """

    def __init__(self, settings: Settings, *, functions: Sequence[Any] = (), burst: bool = False, **arq: Any):
        super().__init__(
            [*own_functions(), *functions],
            queue_name=settings.queue,
            redis_pool=redis_pool(settings),
            # arq reads these from the worker, not from its pool; its default is pickle.
            job_serializer=serialize,
            job_deserializer=deserialize,
            burst=burst,
            handle_signals=False,
            keep_result=settings.keep_success_seconds,
            **arq,
        )
        if taken := WRITES & self.functions.keys():
            raise ValueError(f"these names are Penstock's own jobs: {', '.join(sorted(taken))}")
        self.settings = settings
        self.stopping = asyncio.Event()
        self._redis_once = redis_pool(settings, repeat=False)
        self._runtime: Runtime | None = None
        self._session: Session | None = None
        self._grace_seconds = settings.grace_period_seconds

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Take no more jobs, flush, report, release. A second call hurries: nothing is waited for."""
        if self.stopping.is_set():
            self._grace_seconds = 0.0
            if self._session is not None:
                self._session.batcher.hurry()
            for task in self.tasks.values():
                task.cancel()
        logger.info("%s: stopping within %.0f s", signal.Signals(signum).name, self._grace_seconds)
        self.stopping.set()
        if self.on_stop:
            self.on_stop(signal.Signals(signum))

    handle_sig = stop

    async def main(self) -> None:
        """Work until stopped (or, in a burst, until nothing is left); a lost lease starts anew."""
        self._runtime = Runtime(self.settings)
        self.ctx |= {"redis": self.pool, CONTEXT_KEY: self._runtime}
        if self.on_startup:
            await self.on_startup(self.ctx)
        arq_rounds = asyncio.create_task(self._arq_rounds())
        try:
            while await self._lost_its_lease(self._runtime):
                logger.warning("the lease was lost: what was held belongs to other workers; starting anew")
        finally:
            await end_tasks([arq_rounds])

    async def close(self) -> None:
        """Close the client and the connections; safe to call twice and after a failed start."""
        if self._pool is None:
            return
        try:
            if self.on_shutdown:
                await self.on_shutdown(self.ctx)
        finally:
            if self._runtime is not None:
                await self._runtime.close()
            await self._redis_once.aclose(close_connection_pool=True)
            await self.pool.aclose(close_connection_pool=True)
            self._pool = None

    async def _lost_its_lease(self, runtime: Runtime) -> bool:
        """Work under one lease; whether it ended by losing it."""
        session = self._session = Session(
            runtime,
            self.pool,
            self._redis_once,
            functions=self.functions.keys(),
            most_functions=self.max_jobs,
            may_abort=self.allow_abort_jobs,
        )
        session.run_function = FunctionRunner(self, session).start
        logger.info("worker %s works on %s", session.name, self.settings.queue)
        try:
            await session.run(self.stopping, burst=self.burst)
        except LeaseLost:
            await session.abandon(self._end_functions(0))
            return True
        except BaseException:
            await session.leave(0, self._end_functions(0))
            raise
        await session.leave(self._grace_seconds, self._end_functions(self._grace_seconds))
        return False

    async def _end_functions(self, seconds: float) -> None:
        """Wait for running functions, then cancel them: a cancelled one goes back to the queue.

        One cancel, and time for what the function does in its `finally`; only then without mercy.
        """
        running = list(self.tasks.values())
        if not running:
            return
        await asyncio.wait(running, timeout=seconds)
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CLEANUP_SECONDS)
        await end_tasks(running)

    async def _arq_rounds(self) -> None:
        """What arq does at each of its polls beside claiming: cron jobs, its health key, aborts."""
        while True:
            try:
                await self.heart_beat()
                if self.allow_abort_jobs:
                    await self._cancel_aborted_jobs()
            except (RedisError, OSError) as error:
                logger.warning("no cron jobs and no health key: Redis does not answer (%s)", error)
            await asyncio.sleep(_ARQ_ROUND_SECONDS)
