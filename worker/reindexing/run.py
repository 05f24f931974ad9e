"""A reindex job from its beginning, or from where another worker has left it, to its report.

create     look what the alias leads to, save the new index's name, create it               building.py
touching   have touched documents recorded, refresh the old index, open a point in time
copy       copy it slice by slice, or copy what a source has                                 copying.py
catch_up   bring over what was touched meanwhile; settings and replicas as wanted         catching_up.py
hold       hold the alias's jobs, catch up to zero, compare counts, move the alias            moving.py
switch     have touched documents recorded for a rollback; the report
ending     a failure or a wish to cancel: remove the new index, record nothing more          tidying.py

The phase is saved before its step begins, and every step may be repeated: so a step that Elasticsearch, Redis
or a source has let down is begun again after a pause, for as long as it takes, and a killed worker's by the
next one. A rollback (rollback.py) goes the same way without `touching` and `copy`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from elastic_transport import ApiError, TransportError
from redis.exceptions import RedisError

from jobs.errors import JobFailed
from jobs.models import ReindexAlias
from jobs.reindexes import ReindexPhase
from jobs.report import Report, refusal

from ..answers import read_failure
from ..bulk_request import without_frames
from ..cancelling import end_tasks
from .building import Building
from .hold import Hold
from .pace import Pace
from .pages import Unreadable
from .rollback import Rollback
from .room import Room, passes_by
from .state import Begun, CancelAsked, Job, NotOwner, State, Store, failed_with, wire_of
from .summary import report_of, result_of
from .telling import keep_telling
from .tidying import tidy_up

logger = logging.getLogger("penstock.reindex")

# A step of these may be cut off anywhere: the next one is to tidy up. `create` and `hold` look for the wish
# themselves, since a call that makes the index or moves the alias may come late where nobody waits for it;
# behind the swap it only goes onwards.
_CUT_SHORT = frozenset({ReindexPhase.TOUCHING, ReindexPhase.COPY, ReindexPhase.CATCH_UP})
_HEARS_SECONDS = 0.5


async def reindex(room: Room, payload: ReindexAlias, job: Job, live_is_busy: Callable[[], bool]) -> Report:
    """Run the job to its end. `live_is_busy`: whether this process has writes of jobs under way.

    Raises JobFailed with the reason, NotOwner where another worker has taken it over.
    """
    store = Store(room.redis, payload.alias, job, room.queue)
    run = _Run(room, payload, store, live_is_busy)
    await run.begin()
    telling = asyncio.create_task(keep_telling(store, room.redis, run.cancel_asked))
    try:
        return result_of(await run.to_the_end())
    finally:
        await end_tasks([telling])


class _Run:
    def __init__(
        self, room: Room, payload: ReindexAlias, store: Store, live_is_busy: Callable[[], bool]
    ) -> None:
        self._room, self._payload, self._store = room, payload, store
        self._pace = Pace(
            room.settings.reindex_docs_per_second, live_is_busy, now=monotonic, sleep=asyncio.sleep
        )
        self._troubles = 0
        self.cancel_asked = asyncio.Event()

    async def begin(self) -> None:
        """Take the alias's reindex up; tidy up first after one whose job is gone. Raises JobFailed."""
        alias, store = self._payload.alias, self._store
        while True:
            try:
                begun = await store.begin(rollback=self._payload.rollback)
                if begun is Begun.OURS:
                    return
                if begun is Begun.RUNNING:
                    reason = f"the job {await store.other_job()} is at it already"
                    raise JobFailed(refusal("reindex_running", reason, index=alias))
            except (RedisError, OSError) as error:
                await self._wait(error)
                continue
            logger.warning("alias %s: tidying up after a reindex whose job is gone", alias)
            await self._end(JobFailed(refusal("cancelled", "its job is gone", index=alias)))
            await self.to_the_end()

    async def to_the_end(self) -> State:
        """Step by step, each as often as it takes. Raises NotOwner."""
        while True:
            try:
                state = await self._store.load()
                if state.phase.final:
                    return state
                await self._heeding_cancel(state)
            except JobFailed as failed:
                await self._end(failed)
            except CancelAsked:
                reason = "somebody cancelled the reindex; alias and data are as they were"
                await self._end(JobFailed(refusal("cancelled", reason, index=self._payload.alias)))
            except NotOwner:
                raise
            except Exception as error:
                if not passes_by(error):
                    await self._end(self._failure(error))
                    continue
                await self._wait(error)

    async def _heeding_cancel(self, state: State) -> None:
        """One step; a wish to cancel ends whatever it waits in. Raises CancelAsked, and as the step does."""
        if state.phase not in _CUT_SHORT:
            await self._attempt(state)
            return
        if self.cancel_asked.is_set():
            raise CancelAsked(self._payload.alias)
        step = asyncio.create_task(self._attempt(state))
        asked = asyncio.create_task(self.cancel_asked.wait())
        try:
            await asyncio.wait({step, asked}, return_when=asyncio.FIRST_COMPLETED)
            # Where it saves something it hears of the wish by itself, with no request under way.
            await asyncio.wait({step}, timeout=_HEARS_SECONDS)
            if not step.done():
                raise CancelAsked(self._payload.alias)
            step.result()
        finally:
            # It ends tasks of its own, which a second cancel that comes at once would leave running.
            step.cancel()
            await asyncio.wait({step}, timeout=_HEARS_SECONDS)
            await end_tasks([step, asked])

    async def _attempt(self, state: State) -> None:
        """One step, with the pause that a trouble costs which passes by."""
        try:
            await self._step(state)
            self._troubles = 0
        except Exception as error:
            if not passes_by(error):
                raise
            await self._wait(error)

    async def _step(self, state: State) -> None:
        if state.phase is ReindexPhase.ENDING:
            await tidy_up(self._room, self._store, self._payload.alias, state)
            return
        steps = self._steps(state)
        match state.phase:
            case ReindexPhase.CREATE:
                await steps.create()
            case ReindexPhase.CATCH_UP:
                await steps.catch_up()
            case ReindexPhase.HOLD:
                await steps.hold()
            case ReindexPhase.SWITCH:
                await self._finish(state, steps)
            case ReindexPhase.TOUCHING if isinstance(steps, Building):
                await steps.touch()
            case ReindexPhase.COPY if isinstance(steps, Building):
                await steps.copy()
            case _:
                raise AssertionError(f"a rollback has no phase {state.phase}")

    def _steps(self, state: State) -> Building | Rollback:
        if state.rollback:
            return Rollback(self._room, self._store, self._payload.alias, state, self._pace)
        return Building(self._room, self._store, self._payload, state, self._pace)

    async def _finish(self, state: State, steps: Building | Rollback) -> None:
        kept = await steps.switched()
        # A run that was killed behind the swap has left it, and nobody else would let go before a minute.
        await Hold(self._room.redis, state.id, state.names).let_go(whoever=True)
        report = report_of(self._payload.alias, state, self._store.now_ms, kept)
        told = report.details
        logger.info(
            "alias %s: %s replaces %s, %s documents", report.index, state.new, state.old, told["documents"]
        )
        phase = ReindexPhase.ROLLED_BACK if state.rollback else ReindexPhase.DONE
        stored = wire_of(kept) if kept else None
        await self._store.enter(state, phase, kept=stored, report=report.to_wire())

    def _failure(self, error: Exception) -> JobFailed:
        alias = self._payload.alias
        match error:
            case ApiError() | TransportError():
                _, problem = read_failure(without_frames(error))
                return JobFailed(refusal(problem.type, problem.reason, index=alias))
            case Unreadable():
                return JobFailed(refusal("unreadable_document", str(error), index=alias))
            case _:
                logger.exception("the reindex of %s met what it does not know", alias, exc_info=error)
                kind = f"{type(error).__name__}: please report this to Penstock"
                return JobFailed(refusal("internal_error", kind, index=alias))

    async def _end(self, failed: JobFailed) -> None:
        """Save the failure; what it leaves behind is tidied up in a step of its own. Raises NotOwner."""
        while True:
            try:
                state = await self._store.load()
                if state.phase.final:
                    return
                if state.phase in (ReindexPhase.SWITCH, ReindexPhase.ENDING):  # only onwards from here
                    await self._wait(failed)
                    return
                ending = failed_with(failed, state)
                await self._store.enter(state, ReindexPhase.ENDING, ending=ending)
                return
            except (RedisError, OSError) as error:
                await self._wait(error)

    async def _wait(self, error: Exception) -> None:
        self._troubles += 1
        delay = self._room.backoff.patient_delay(self._troubles)
        kind = type(error).__name__
        logger.warning("reindex of %s: %s; tried again in %.1f s", self._payload.alias, kind, delay)
        with suppress(RedisError, OSError, CancelAsked):
            await self._store.save(problem=f"{kind}: {error}"[:300])
        await asyncio.sleep(delay)
