"""Penstock's worker: arq's `Worker` with its claim, its finish and its stop replaced.

arq's keys, functions, cron jobs, context and hooks stay as its users know them. What differs:
jobs are claimed and finished many at a time (Session), writing jobs share bulk requests, a signal never
costs a job a try, and a lost lease starts a new session instead of writing under the old one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable, Sequence
from typing import Any

from arq.worker import Worker
from redis.exceptions import RedisError

from jobs import deserialize, serialize
from settings import Settings

from .cancelling import end_tasks
from .claims import LeaseLost
from .function_runner import FunctionRunner
from .functions import own_functions, taken_names
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
        own = own_functions()
        super().__init__(
            [*own, *functions],
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
        if taken := taken_names(self.functions, own):
            raise ValueError(f"these names are Penstock's own jobs: {', '.join(taken)}")
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
            _cancel_once(self.tasks.values())
        logger.info("%s: stopping within %.0f s", signal.Signals(signum).name, self._grace_seconds)
        self.stopping.set()
        if self.on_stop:
            self.on_stop(signal.Signals(signum))

    handle_sig = stop

    async def main(self) -> None:
        """Work until stopped (or, in a burst, until nothing is left); a lost lease starts anew."""
        self._runtime = Runtime(self.settings, self.stopping)
        self.ctx |= {"redis": self.pool, CONTEXT_KEY: self._runtime}
        if self.on_startup:
            await self.on_startup(self.ctx)
        if self.burst:
            await self._arq_round()  # a burst may find the queue empty before cron jobs are in it
        arq_rounds = asyncio.create_task(self._arq_rounds())
        formerly = ""
        innocent: list[bytes] = []
        try:
            while (held := await self._lost(self._runtime, formerly, innocent)) is not None:
                formerly, innocent = held
                logger.warning("the lease was lost: what was held belongs to other workers; starting anew")
        finally:
            await end_tasks([arq_rounds])

    async def close(self) -> None:
        """Close the client and the connections; safe to call twice and after a failed start."""
        if self._pool is None:
            return
        try:
            if self.on_shutdown and self._runtime is not None:  # else on_startup was not called either
                await self.on_shutdown(self.ctx)
        finally:
            if self._runtime is not None:
                await self._runtime.close()
            await self._redis_once.aclose(close_connection_pool=True)
            await self.pool.aclose(close_connection_pool=True)
            self._pool = None

    async def _lost(
        self, runtime: Runtime, formerly: str, innocent: list[bytes]
    ) -> tuple[str, list[bytes]] | None:
        """Work under one lease; its name and jobs when it was lost, None where it was not.

        `formerly` and `innocent`: see Session.run.
        """
        session = self._session = Session(
            runtime,
            self.pool,
            self._redis_once,
            functions=self.functions.keys(),
            most_functions=self.max_jobs,
            may_abort=self.allow_abort_jobs,
            burst=self.burst,
        )
        session.run_functions_by(FunctionRunner(self, session).start)
        logger.info("worker %s works on %s", session.name, self.settings.queue)
        try:
            await session.run(self.stopping, formerly=formerly, innocent=innocent)
        except LeaseLost:
            held = list(session.holding.jobs)
            await session.abandon(self._end_functions(0))
            return session.name, held
        except BaseException:
            await session.leave(0, self._end_functions(0))
            raise
        await session.leave(self._grace_seconds, self._end_functions(self._grace_seconds))
        return None

    async def _end_functions(self, seconds: float) -> None:
        """Wait for running functions, then cancel them: a cancelled one goes back to the queue.

        One cancel, and time for what the function does in its `finally`; only then without mercy.
        """
        running = list(self.tasks.values())
        if not running:
            return
        await asyncio.wait(running, timeout=seconds)
        _cancel_once(running)
        await asyncio.wait(running, timeout=_CLEANUP_SECONDS)
        await end_tasks(running)

    async def _arq_rounds(self) -> None:
        while True:
            await self._arq_round()
            await asyncio.sleep(_ARQ_ROUND_SECONDS)

    async def _arq_round(self) -> None:
        """What arq does at each of its polls beside claiming: cron jobs, its health key, aborts."""
        try:
            await self.heart_beat()
            if self.allow_abort_jobs:
                await self._cancel_aborted_jobs()
        except (RedisError, OSError) as error:
            logger.warning("no cron jobs and no health key: Redis does not answer (%s)", error)


def _cancel_once(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """A second cancel would cut off the cleaning up after the first, and the way back to the queue."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
