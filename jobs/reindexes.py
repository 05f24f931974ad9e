"""What can be seen of reindexes from outside: how far each one is. One hash an alias, kept by the worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis

from . import keys
from .errors import CancelRefused, JobNotFound
from .scripts import registered


class ReindexPhase(StrEnum):
    """Where a reindex stands. docs/reindex.md says what happens in each."""

    CREATE = "create"
    TOUCHING = "touching"
    COPY = "copy"
    CATCH_UP = "catch_up"
    HOLD = "hold"
    SWITCH = "switch"
    ENDING = "ending"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"

    @property
    def final(self) -> bool:
        """Whether nothing more happens."""
        return self in _FINAL


_FINAL = {ReindexPhase.DONE, ReindexPhase.FAILED, ReindexPhase.CANCELLED, ReindexPhase.ROLLED_BACK}


@dataclass(frozen=True, slots=True)
class SliceStatus:
    """One part of the copy: documents done, those of them that were dropped, whether it is through."""

    done: int
    dropped: int
    finished: bool


@dataclass(frozen=True, slots=True)
class ReindexStatus:
    """One reindex, or the latest one of its alias.

    `done` of `total` documents are copied or, by a transform, dropped; `rate` a second; `remaining_seconds`
    is None where it can't be told.
    `caught_up` documents were written again because jobs changed them meanwhile, `touched_left` still have to
    be. `holds`: how often the alias's jobs were held, `held_ms`: how long the last time. `problem`: why it
    does not go on just now, or why it failed. `kept_index`: what a rollback would return to, or None.
    Times are ms since 1970.
    """

    alias: str
    job_id: str
    phase: ReindexPhase
    rollback: bool
    old: str | None
    new: str | None
    done: int
    total: int
    rate: float
    remaining_seconds: float | None
    slices: tuple[SliceStatus, ...]
    caught_up: int
    touched_left: int
    dropped: int
    holds: int
    held_ms: float | None
    started_ms: int
    updated_ms: int
    problem: str | None
    kept_index: str | None

    @property
    def running(self) -> bool:
        """Whether it is under way, or waits for a worker to take it up again."""
        return not self.phase.final

    def to_wire(self) -> dict[str, Any]:
        """As a JSON object."""
        wire = {name: getattr(self, name) for name in self.__slots__}
        wire["slices"] = [{name: getattr(one, name) for name in one.__slots__} for one in self.slices]
        return wire


async def read_status(redis: Redis, alias: str) -> ReindexStatus:
    """The reindex of an alias. Raises JobNotFound where none is known."""
    # Typed for both of redis-py's clients.
    found: dict[bytes, bytes] = await redis.hgetall(keys.reindex_state(alias))  # type: ignore[misc]
    if b"phase" not in found:
        raise JobNotFound(f"no reindex of {alias!r} is known")
    return status_of(alias, {name.decode(): json.loads(value) for name, value in found.items()})


async def read_all(redis: Redis) -> list[ReindexStatus]:
    """The reindexes of this Redis database, by alias; those of other queues too."""
    aliases = sorted(alias.decode() for alias in await redis.smembers(keys.REINDEXES))  # type: ignore[misc]
    statuses: list[ReindexStatus] = []
    for alias in aliases:
        try:
            statuses.append(await read_status(redis, alias))
        except JobNotFound:  # forgotten between the two looks
            continue
    return statuses


async def ask_to_cancel(redis: Redis, alias: str) -> ReindexStatus:
    """Have a reindex stop at its next step. Raises JobNotFound, CancelRefused where it is too late."""
    answer = await registered(redis, "cancel_reindex")(keys=[keys.reindex_state(alias)])
    status = await read_status(redis, alias)
    match answer:
        case b"asked":
            return status
        case b"moving":
            raise CancelRefused(f"the reindex of {alias!r} is moving the alias: too late to cancel it")
        case b"gone":
            how = f"`penstock reindex forget {alias}`, or the next reindex, tidies up"
            raise CancelRefused(f"the job of the reindex of {alias!r} is gone: {how}")
        case _:
            raise CancelRefused(f"the reindex of {alias!r} has ended ({status.phase}): nothing to cancel")


def status_of(alias: str, fields: Mapping[str, Any]) -> ReindexStatus:
    """Read what the worker has stored, decoded."""
    slices = [SliceStatus(told["done"], told["dropped"], told["finished"]) for told in _slices(fields)]
    kept = fields.get("kept")
    return ReindexStatus(
        alias=alias,
        job_id=fields["job"],
        phase=ReindexPhase(fields["phase"]),
        rollback=bool(fields.get("rollback")),
        old=fields.get("old"),
        new=fields.get("new"),
        done=sum(one.done for one in slices),
        total=fields.get("total", 0),
        rate=fields.get("rate", 0.0),
        remaining_seconds=fields.get("remaining"),
        slices=tuple(slices),
        caught_up=fields.get("caught_up", 0),
        touched_left=fields.get("left", 0),
        dropped=sum(one.dropped for one in slices),
        holds=fields.get("holds", 0),
        held_ms=fields.get("held_ms"),
        started_ms=fields["started"],
        updated_ms=fields["updated"],
        problem=fields.get("problem"),
        kept_index=kept["old"] if kept and not kept["rolled_back"] else None,
    )


def _slices(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [fields[f"slice:{n}"] for n in range(fields.get("slices", 0)) if f"slice:{n}" in fields]
