"""The steps back to the index that a reindex has left behind: no copy, only what was written since.

Documents are read from the index that jobs write to now, undone by the transform's inverse, and written to
the former one with their versions, which are newer than what it has.
"""

from __future__ import annotations

from jobs.errors import JobFailed
from jobs.reindexes import ReindexPhase
from jobs.report import refusal

from .building import check_queues
from .catching_up import CatchUp, FromIndex
from .checks import Counts, expected_of_rollback
from .converting import Change
from .differing import differing
from .moving import Course, Moving
from .pace import Pace
from .plan import check_whole
from .room import Room
from .state import Kept, State, Store
from .swap import leads_to, look
from .target import Target
from .touched import TouchedSet, Touching, Unwatched


class Rollback:
    """One rollback, as far as `state` says. Raises JobFailed where nothing is kept to go back to."""

    def __init__(self, room: Room, store: Store, alias: str, state: State, pace: Pace) -> None:
        self._room, self._store, self._alias, self._state = room, store, alias, state
        if state.kept is None or state.kept.rolled_back:
            raise self._refused("nothing_to_roll_back", f"no former index of {alias} is kept")
        self._kept: Kept = state.kept
        self._touched = TouchedSet(room.redis, state.kept.id)
        self._target = Target(room, state.kept.old, alias, pace)

    async def create(self) -> None:
        """Find out whether there is a way back, and have it stay: from now on no number of writes ends it."""
        kept, client = self._kept, self._room.client
        origin = await look(client, self._alias)
        if origin.index != kept.new:
            reason = f"{self._alias} leads to {origin.index} by now, no longer to {kept.new}"
            raise self._refused("alias_moved", reason)
        check_whole(origin, self._alias)
        if not await leads_to(client, kept.old, kept.old):
            raise self._refused("old_index_gone", f"the former index {kept.old} is there no more")
        self._change()
        await rebound(self._room, kept, None)
        await self._check()
        total = await self._touched.count()
        await self._store.save(old=kept.new, new=kept.old, names=origin.names, left=total)
        await self._store.enter(self._state, ReindexPhase.CATCH_UP)

    async def catch_up(self) -> None:
        """Bring back what was written since the swap."""
        state, store = self._state, self._store
        catch_up = await self._catch_up()
        await catch_up.rounds()
        await self._room.client.indices.refresh(index=self._kept.old)
        await catch_up.rounds()
        await store.enter(state, ReindexPhase.HOLD)

    async def hold(self) -> None:
        """Try to swap."""
        kept, state = self._kept, self._state
        course = Course(
            alias=self._alias,
            origin=kept.new,
            target=kept.old,
            names=state.names,
            catch_up=await self._catch_up(),
            expected=self._expected,
            differing=lambda: differing(self._room, state, None, self._change(), self._touched),
            moved=_nothing_more,
            check=self._check,
        )
        await Moving(self._room, self._store, course).try_once(state)

    async def switched(self) -> Kept:
        """Nothing is recorded any more: the index that was left behind is no place to go to."""
        await Touching(self._room.redis).stop(self._kept.id)
        return Kept(**{name: getattr(self._kept, name) for name in Kept.__slots__} | {"rolled_back": True})

    async def _catch_up(self) -> CatchUp:
        origin = await look(self._room.client, self._kept.new)
        # What a transform or a source has left out is not in the present index, and yet was not removed.
        read = FromIndex(self._room, origin, self._kept.old, self._change(), whole=self._kept.exact)
        before = self._state.caught_up
        return CatchUp(self._touched, read, self._target, self._store.save, before=before)

    async def _check(self) -> None:
        """Raises JobFailed where something that was written since the swap may be known to nobody."""
        await check_queues(self._room, self._alias)
        if await self._touched.overflowed():
            most = self._room.settings.reindex_rollback_documents
            reason = f"more than {most} documents were written since (PENSTOCK_REINDEX_ROLLBACK_DOCUMENTS)"
            raise self._refused("too_many_touched", reason)
        origin = await look(self._room.client, self._kept.new)
        try:
            await Touching(self._room.redis).check(self._kept.id, origin.names)
        except Unwatched as error:
            why = "the index got it after the swap, or Redis has lost what was to be watched"
            raise self._refused("unwatched_names", f"{error}: {why}") from error

    def _change(self) -> Change | None:
        """What makes the old documents of the new ones. Raises JobFailed where nothing does."""
        name = self._kept.transform
        if name is None:
            return None
        transform = self._room.registry.transforms.get(name)
        if transform is None:
            raise self._refused("no_inverse", f"no transform named {name!r} is registered with this worker")
        if transform.inverse is None:
            reason = f"the transform {name!r} has no inverse: what was written since can't be brought back"
            raise self._refused("no_inverse", reason)
        return transform.undo

    def _expected(self, state: State, old: int, new: int) -> Counts:
        kept = self._kept
        return expected_of_rollback(
            now=old, former=new, surplus=kept.surplus, touched=state.caught_up, exact=kept.exact
        )

    def _refused(self, kind: str, reason: str) -> JobFailed:
        return JobFailed(refusal(kind, reason, index=self._alias))


async def rebound(room: Room, kept: Kept, most: int | None) -> None:
    """Record up to so many documents from now on, or any number, by the names that are watched anyway."""
    touching = Touching(room.redis)
    if names := await touching.names(kept.id):
        await touching.rename(kept.id, names, most=most)


async def _nothing_more() -> None:
    """What is recorded is of no use after a rollback, and is dropped with its report."""
