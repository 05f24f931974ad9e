"""The moment of the swap: jobs are held, the last documents come over, counts are compared, names move.

1. Take the hold, and wait until nobody is writing. Not within two seconds: let go, and try again later.
2. Catch up to zero, refresh both indices, compare their counts.
3. Save that the alias may move from now on, move it, and have touched documents recorded for a rollback.
4. Let go.

Nothing is held for longer than two seconds before the call that moves the alias leaves. A worker that dies in
here leaves a hold that ends by itself, and a state from which another one finds out whether it has moved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs.errors import JobFailed
from jobs.outcomes import Outcome
from jobs.reindexes import ReindexPhase
from jobs.report import Rejection, Report, refusal

from .catching_up import CatchUp
from .checks import Counts, told
from .hold import Hold, HoldLost
from .pages import IncompletePage
from .plan import Origin, swap_actions
from .room import Room
from .state import State, Store
from .swap import Way, has_gone, look, move, moves_late

logger = logging.getLogger("penstock.reindex")

_LONGEST_HOLD_SECONDS = 2.0
# Less, so that what is told is that workers were still writing where they were.
_LONGEST_WAIT_FOR_WORKERS_SECONDS = 1.5
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HIGHEST_POWER = 10
_BEAT_SECONDS = 0.5
# Once the call that moves the alias may have left, a hold outlives its holder until another worker has looked
# what became of it: a call that is late must not move the alias behind writes that the new index has not got.
_LONGEST_SWAP_SECONDS = 60.0
# A job that was cut off may have written what nobody was told of. It runs again when the hold ends.
_MISMATCHES = 3


class _GaveUp(Exception):
    """Raised when a hold would have lasted too long, or was lost."""


@dataclass(frozen=True, slots=True)
class Course:
    """From which index to which one, and the steps in between that a rollback does in its own way.

    `expected` compares the counts of both; `differing` names documents that only one of them has; `moved` has
    touched documents recorded for what comes after the swap, and may be called twice. `check` is asked while
    jobs are held, and raises where something that was written may have been seen by nobody.
    """

    alias: str
    origin: str
    target: str
    names: tuple[str, ...]
    catch_up: CatchUp
    expected: Callable[[State, int, int], Counts]
    differing: Callable[[], Awaitable[Mapping[str, Any]]]
    moved: Callable[[], Awaitable[None]]
    check: Callable[[], Awaitable[None]]


class Moving:
    """One course's swap."""

    def __init__(self, room: Room, store: Store, course: Course) -> None:
        self._room, self._store, self._course = room, store, course

    async def try_once(self, state: State) -> None:
        """Hold and move; the next phase is saved: on after the swap, or back to catch up and try again.

        Raises JobFailed where the alias leads elsewhere by now, or the counts will never fit.
        """
        course, store = self._course, self._store
        hold = Hold(self._room.redis, state.id, course.names)
        # A call that an earlier run has sent must not come behind the look.
        if state.moving:
            await has_moved(self._room.redis, self._room.client, course.alias, state)
        origin = await look(self._room.client, course.alias)
        if origin.index == course.target:  # an earlier run has moved it, and got no further
            await self._has_moved(state, origin_gone=course.origin == course.alias)
            await hold.let_go(whoever=True)
            return
        await store.save(holds=state.holds + 1, moving=False)
        await unblock(self._room.client, store, state)
        if origin.index != course.origin:
            reason = f"{course.alias} leads to {origin.index} by now, no longer to {course.origin}"
            raise JobFailed(refusal("alias_moved", reason, index=course.alias))
        try:
            async with hold:
                counts = await self._prepared(hold, state, origin)
                if counts.fit:
                    await self._move(hold, state, origin, counts)
        except (HoldLost, _GaveUp) as error:
            await self._again_later(state, f"the jobs of {course.alias} are not held: {error}")
            return
        held_ms = round(hold.seconds * 1000, 1)
        await store.save(held_ms=held_ms)
        if not counts.fit:
            await self._mismatch(state, counts)

    async def _prepared(self, hold: Hold, state: State, origin: Origin) -> Counts:
        """Both indices as they stay until the hold ends. Raises _GaveUp, HoldLost."""
        try:
            async with asyncio.timeout(_LONGEST_HOLD_SECONDS):
                if not await hold.quiet(_LONGEST_WAIT_FOR_WORKERS_SECONDS):
                    raise _GaveUp("workers were still writing")
                await self._course.catch_up.to_zero()
                await self._course.check()
                if origin.concrete:
                    await self._block(origin.index)
                counts = await self._counted(state)
        except TimeoutError:
            raise _GaveUp("catching up and counting took too long") from None
        await hold.renew()
        if hold.seconds > _LONGEST_HOLD_SECONDS:
            raise _GaveUp("it has lasted too long")
        return counts

    async def _move(self, hold: Hold, state: State, origin: Origin, counts: Counts) -> None:
        course, client = self._course, self._room.client
        await self._store.save(moving=True, documents=counts.found, surplus=counts.origin - counts.found)
        actions = swap_actions(course.alias, origin, course.target)
        renew = partial(hold.renew, _LONGEST_SWAP_SECONDS)
        await renew()  # at the last moment: this process may have stood still since it last looked
        hold.in_doubt = True  # from here on the call may have left, and may come late if nobody waits for it
        try:
            await move(client, Way(course.alias, course.origin, course.target), actions, renew)
        except (ApiError, TransportError):  # refused: this is known
            hold.in_doubt = False
            raise
        hold.in_doubt = False
        await self._has_moved(state, origin_gone=origin.concrete)

    async def _has_moved(self, state: State, *, origin_gone: bool) -> None:
        if not origin_gone:  # what a hold that was lost at the last moment has let through
            await self._course.catch_up.once_more()
        await self._course.moved()
        await self._store.enter(state, ReindexPhase.SWITCH)

    async def _counted(self, state: State) -> Counts:
        client, course = self._room.client, self._course
        await client.indices.refresh(index=[course.origin, course.target])
        old, new = await asyncio.gather(*(count(client, index) for index in (course.origin, course.target)))
        by_now = replace(state, caught_up=state.caught_up + course.catch_up.done)
        return course.expected(by_now, old, new)

    async def _block(self, index: str) -> None:
        """The index goes in the same call as the swap: nothing may be written to it after it was counted."""
        await self._store.save(blocked=True)
        # Not the API for blocks, which also waits for writes that are under way: there are none.
        await self._room.client.indices.put_settings(index=index, settings={"index.blocks.write": True})

    async def _mismatch(self, state: State, counts: Counts) -> None:
        why = told(counts, self._course.origin, self._course.target)
        await self._store.save(mismatches=state.mismatches + 1)
        if state.mismatches + 1 < _MISMATCHES:
            await self._again_later(state, why)
            return
        differing = await self._course.differing()
        named = "".join(f"; {name}: {', '.join(ids)}" for name, ids in differing.items() if ids)
        rejection = Rejection("count_mismatch", why + named, index=self._course.target)
        details = {"expected": counts.expected, "found": counts.found, "tolerance": counts.tolerance}
        raise JobFailed(
            Report(
                outcome=Outcome.REJECTED,
                index=self._course.alias,
                rejected=(rejection,),
                details={**details, **differing},
            )
        )

    async def _again_later(self, state: State, why: str) -> None:
        """Back to catching up, after a pause in which the jobs get on."""
        logger.info("%s; tried again later", why)
        await self._store.save(problem=why, moving=False)
        await unblock(self._room.client, self._store, await self._store.load())
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(state.holds, _HIGHEST_POWER))
        await rest(self._store, pause)
        await self._store.enter(state, ReindexPhase.CATCH_UP)


async def count(client: AsyncElasticsearch, index: str) -> int:
    """All documents of an index. Raises IncompletePage where a shard did not answer."""
    answer = await client.count(index=index)
    shards = answer["_shards"]
    if shards["failed"] or shards["successful"] < shards["total"]:
        raise IncompletePage(f"{index} was counted without all of its shards")
    return int(answer["count"])


async def has_moved(redis: Redis, client: AsyncElasticsearch, alias: str, state: State) -> bool:
    """Whether the alias leads to the new index; looked until it is certain where a call may be on its way.

    Where the run that was to send the call no longer holds the jobs, it has not sent it, or so long ago that
    Elasticsearch has dropped it.
    """
    way = Way(alias, state.old, state.new)
    if state.moving:
        hold = Hold(redis, state.id, state.names)
        if await hold.inherit(_LONGEST_SWAP_SECONDS):
            return await moves_late(client, way, partial(hold.renew, _LONGEST_SWAP_SECONDS))
    return await has_gone(client, way)


async def unblock(client: AsyncElasticsearch, store: Store, state: State) -> None:
    """Let the old index be written to again, where it was this reindex that has blocked it."""
    if state.blocked:
        await lift_block(client, state)
        await store.save(blocked=False)


async def lift_block(client: AsyncElasticsearch, state: State) -> None:
    """The same with nothing saved. The index may be gone."""
    still_there = client.options(ignore_status=404)
    await still_there.indices.put_settings(index=state.old, settings={"index.blocks.write": None})


async def rest(store: Store, seconds: float) -> None:
    """A pause in which a wish to cancel is heard. Raises as `Store.save`."""
    while seconds > 0:
        await asyncio.sleep(min(seconds, _BEAT_SECONDS))
        seconds -= _BEAT_SECONDS
        await store.save()
