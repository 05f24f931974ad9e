"""The steps of a reindex, up to the swap and right behind it. Each may be repeated: see `run.py`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from elasticsearch import AsyncElasticsearch, BadRequestError

from jobs.errors import JobFailed
from jobs.models import ReindexAlias
from jobs.reindexes import ReindexPhase
from jobs.report import refusal

from ..registry import Source, Transform
from .catching_up import CatchUp, FromIndex, FromSource, Reader
from .checks import Counts, expected_of_copy
from .copying import IndexCopy
from .copying_source import SourceCopy
from .differing import differing
from .moving import Course, Moving, count, unblock
from .pace import Pace
from .pages import PointInTime
from .plan import Origin, check_home, check_whole, filling, new_name, restored, slices_of, wanted_settings
from .room import Room
from .state import Kept, Slice, State, Store
from .stock import stock_workers
from .swap import look, take_aliases_off
from .target import Target
from .touched import TouchedSet, Touching, Unwatched

logger = logging.getLogger("penstock.reindex")

_NAMED = 10
_ALREADY_THERE = "resource_already_exists_exception"
_REPLICAS_TIMEOUT = "10s"


class Building:
    """One reindex, as far as `state` says. Raises JobFailed where the worker does not know what it names."""

    def __init__(self, room: Room, store: Store, payload: ReindexAlias, state: State, pace: Pace) -> None:
        self._room, self._store, self._payload, self._state = room, store, payload, state
        # What is left to do behind the swap needs neither, and must not fail where this worker has neither.
        moved = state.phase is ReindexPhase.SWITCH
        self._source, self._transform = (None, None) if moved else _registered(room, payload)
        self._change = self._transform.apply if self._transform else None
        self._touched = TouchedSet(room.redis, state.id)
        self._target = Target(room, state.new, payload.alias, pace)

    async def create(self) -> None:
        """Find what there is, save what will be, create it."""
        await check_queues(self._room, self._payload.alias)
        client, payload, state = self._room.client, self._payload, self._state
        if state.new:  # an earlier run may have created it, and been killed right behind that
            await take_aliases_off(client, state.new)
        origin = await look(client, payload.alias)
        self._check_source(origin)
        new = state.new or new_name(payload.alias, datetime.now(UTC))
        parts = 1 if self._source else slices_of(payload.slices, origin.shards)
        await self._store.save(
            old=origin.index,
            new=new,
            names=origin.names,
            slices=parts,
            transform=payload.transform,
            source=payload.source,
        )
        settings = filling(self._wanted())
        try:
            await client.indices.create(index=new, mappings=payload.mappings, settings=settings)
        except BadRequestError as error:
            if error.error != _ALREADY_THERE:  # else the answer to an earlier try was lost
                raise
        await take_aliases_off(client, new)
        await self._store.enter(state, ReindexPhase.TOUCHING, new_uuid=await _uuid_of(client, new))

    async def touch(self) -> None:
        """Set the flag, then refresh, then open: in another order an acknowledged write can fall between."""
        client, state = self._room.client, self._state
        await Touching(self._room.redis).start(state.id, state.names)
        await client.indices.refresh(index=state.old)
        total = await count(client, state.old)
        first = await self._first_slice(total)
        slices = {f"slice:{n}": first._asdict() for n in range(len(state.slices))}
        await self._store.enter(state, ReindexPhase.COPY, total=total, **slices)

    async def copy(self) -> None:
        """Copy what there was at that moment, or all that the source has."""
        room, store, state = self._room, self._store, self._state
        if self._source:
            await SourceCopy(room, store, state, self._source, self._change, self._target.write).run()
        else:
            await IndexCopy(room, store, state, self._change, self._target.write).run()
        try:
            await self._check()
        except Unwatched as error:
            await self._begin_anew(error)
        else:
            await store.enter(state, ReindexPhase.CATCH_UP)

    async def catch_up(self) -> None:
        """Bring over what was touched meanwhile, and make the new index what it is to be."""
        client, state, store = self._room.client, self._state, self._store
        await unblock(client, store, state)
        catch_up = await self._catch_up()
        await catch_up.rounds()
        settings = {"index": restored(self._wanted())}
        await client.indices.put_settings(index=state.new, settings=settings)
        await self._replicas()
        await client.indices.refresh(index=state.new)
        await catch_up.rounds()
        if untold := await self._touched.untold():
            logger.warning("%s: it can't be told what these jobs have written: %s", state.old, untold)
            await store.save(untold=untold[:_NAMED])
        await store.enter(state, ReindexPhase.HOLD)

    async def hold(self) -> None:
        """Try to swap."""
        try:
            await Moving(self._room, self._store, await self._course()).try_once(self._state)
        except Unwatched as error:
            await self._begin_anew(error)

    async def switched(self) -> Kept | None:
        """What is kept for a rollback; what an earlier reindex has kept is of no use any more."""
        state, touching = self._state, Touching(self._room.redis)
        await self._touch_for_rollback()
        if state.kept and state.kept.id != state.id:
            await touching.stop(state.kept.id)
        if self._concrete:
            return None
        exact = state.transform is None and state.source is None
        return Kept(state.id, state.old, state.new, state.transform, exact, state.surplus)

    async def _check(self) -> None:
        """Raises Unwatched where jobs may have written unseen, JobFailed where such workers are about."""
        await check_queues(self._room, self._payload.alias)
        await self._check_new()
        origin = await look(self._room.client, self._state.old)
        await Touching(self._room.redis).check(self._state.id, origin.names)

    async def _check_new(self) -> None:
        """A copy that comes after somebody has deleted the new index makes one anew, with any mappings."""
        state = self._state
        if state.new_uuid and await _uuid_of(self._room.client, state.new) != state.new_uuid:
            reason = f"the new index {state.new} was deleted by somebody while it was filled"
            raise JobFailed(refusal("new_index_gone", reason, index=self._payload.alias))

    async def _begin_anew(self, why: Unwatched) -> None:
        """All of it: what was removed unseen would stay in the new index, however often it is copied."""
        state = self._state
        logger.warning("%s is rebuilt anew: %s", state.old, why)
        await self._room.client.options(ignore_status=404).indices.delete(index=state.new)
        fields = {"new": "", "caught_up": 0, "mismatches": 0, "problem": f"begun anew: {why}"}
        await self._store.enter(state, ReindexPhase.CREATE, **fields)

    async def _first_slice(self, total: int) -> Slice:
        """How every slice begins. An index that never had a document can't even be cut into slices."""
        if self._source:
            return Slice()
        if not total:
            return Slice(finished=True)
        return Slice(pit=(await PointInTime.open(self._room.client, self._state.old)).id)

    @property
    def _concrete(self) -> bool:
        return self._state.old == self._payload.alias

    def _wanted(self) -> dict[str, Any]:
        return wanted_settings(self._payload.settings, self._room.settings.gc_deletes)

    async def _catch_up(self) -> CatchUp:
        state = self._state
        read: Reader
        origin = await look(self._room.client, state.old)
        if self._source:
            read = FromSource(self._room, self._source, self._change, origin)
        else:
            read = FromIndex(self._room, origin, state.new, self._change)
        return CatchUp(self._touched, read, self._target, self._store.save, before=state.caught_up)

    async def _course(self) -> Course:
        state = self._state
        return Course(
            alias=self._payload.alias,
            origin=state.old,
            target=state.new,
            names=state.names,
            catch_up=await self._catch_up(),
            expected=self._expected,
            differing=lambda: differing(self._room, state, self._source, self._change, self._touched),
            moved=self._touch_for_rollback,
            check=self._check,
        )

    def _expected(self, state: State, old: int, new: int) -> Counts:
        return expected_of_copy(
            old=old,
            new=new,
            read=state.read,
            dropped=state.dropped,
            touched=state.caught_up,
            exact=self._change is None,
            from_source=self._source is not None,
        )

    async def _touch_for_rollback(self) -> None:
        state, touching = self._state, Touching(self._room.redis)
        if self._concrete:  # there is no index to go back to
            await touching.stop(state.id)
            return
        names = {name for name in state.names if name != state.old} | {state.new}
        most = self._room.settings.reindex_rollback_documents
        await touching.rename(state.id, names, most=most)

    async def _replicas(self) -> None:
        """Wait for the copies of the shards that are on their way; those that no node takes are not."""
        while True:
            health = await self._room.client.cluster.health(
                index=self._state.new,
                wait_for_no_initializing_shards=True,
                wait_for_events="languid",
                timeout=_REPLICAS_TIMEOUT,
            )
            if not health["timed_out"]:
                return
            await self._store.save(problem="waits for the replicas of the new index")

    def _check_source(self, origin: Origin) -> None:
        if not self._source:
            check_whole(origin, self._payload.alias)
        elif self._source.index not in origin.names:
            reason = (
                f"the source {self._payload.source!r} is registered for {self._source.index}, "
                f"expected one of {', '.join(origin.names)}"
            )
            raise JobFailed(refusal("source_of_another_index", reason, index=self._payload.alias))
        else:
            check_home(origin, self._source.index, self._payload.alias)


async def _uuid_of(client: AsyncElasticsearch, index: str) -> str:
    found = await client.indices.get_settings(index=index, name="index.uuid")
    return str(found[index]["settings"]["index"]["uuid"])


def _registered(room: Room, payload: ReindexAlias) -> tuple[Source | None, Transform | None]:
    """The source and the transform that the job names. Raises JobFailed where there is none of that name."""
    known = {"source": room.registry.sources, "transform": room.registry.transforms}
    for kind, registered in known.items():
        name = getattr(payload, kind)
        if name is not None and name not in registered:
            reason = f"no {kind} named {name!r} is registered with this worker"
            raise JobFailed(refusal(f"unknown_{kind}", reason))
    sources, transforms = room.registry.sources, room.registry.transforms
    return (
        sources[payload.source] if payload.source else None,
        transforms[payload.transform] if payload.transform else None,
    )


async def check_queues(room: Room, alias: str) -> None:
    """Raises JobFailed where workers are about whose writes nobody would see."""
    if names := await stock_workers(room.redis, room.queue):
        reason = f"arq's own workers do not tell which documents they write: {', '.join(names)}"
        raise JobFailed(refusal("stock_workers", reason, index=alias))
