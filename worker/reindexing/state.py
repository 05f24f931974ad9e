"""Where a reindex stands, in Redis: saved before each step, so that another worker can go on from there.

One hash an alias, each value as JSON. An owner token fences every save: who has lost the job to another
worker gets NotOwner and must not do anything more. The answer to a save also tells of a wish to cancel.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import uuid4

from redis.asyncio import Redis

from jobs import keys
from jobs.errors import JobFailed
from jobs.reindexes import ReindexPhase
from jobs.report import Report

from ..scripts import script

# From these phases on the alias has moved, or all is being tidied up anyway.
_TOO_LATE_TO_CANCEL = {ReindexPhase.SWITCH, ReindexPhase.ENDING}


class NotOwner(Exception):
    """Raised when another worker has taken the reindex over: nothing more may be done here."""


class CancelAsked(Exception):
    """Raised when somebody wants the reindex to stop, and it still can."""


class Begun(StrEnum):
    """What `begin` found."""

    OURS = "ours"
    RUNNING = "running"
    ABANDONED = "abandoned"


class Job(NamedTuple):
    """The job of a reindex: its id, which may have been another job's before, and when it was enqueued."""

    id: str
    enqueued_ms: int


class Slice(NamedTuple):
    """One part of the copy. `after`: its cursor; `pit`: the point in time that it reads; `done`: documents
    read, of which `dropped` ones are not in the new index."""

    after: Any = None
    pit: str | None = None
    done: int = 0
    dropped: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What a rollback needs of a reindex that has ended: the touched documents are under `id`.

    `surplus`: how many documents `old` had more than `new` when the alias moved.
    """

    id: str
    old: str
    new: str
    transform: str | None
    exact: bool
    surplus: int
    rolled_back: bool = False

    @property
    def spare(self) -> str:
        """The index that is not behind the alias."""
        return self.new if self.rolled_back else self.old


@dataclass(frozen=True, slots=True)
class State:
    """See the module. `id` names the reindex in Redis, `old` and `new` are indices; `names` lead to `old`.
    `new_uuid` tells the index that was created from another one of its name.

    `moving`: the request that moves the alias may have left. `blocked`: writes to `old` may be blocked by us.
    `documents` the new index had when the alias moved, `surplus` more were in the old one. `untold`: jobs of
    which nobody knows what they have written. `ending`: the report with which it will fail.
    """

    id: str
    phase: ReindexPhase
    started_ms: int
    since_ms: int
    rollback: bool = False
    old: str = ""
    new: str = ""
    new_uuid: str = ""
    names: tuple[str, ...] = ()
    total: int = 0
    slices: tuple[Slice, ...] = ()
    caught_up: int = 0
    holds: int = 0
    held_ms: float | None = None
    mismatches: int = 0
    documents: int = 0
    surplus: int = 0
    moving: bool = False
    blocked: bool = False
    transform: str | None = None
    source: str | None = None
    untold: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    ending: Report | None = None
    report: Report | None = None
    kept: Kept | None = None

    @property
    def read(self) -> int:
        """Documents that the copy is through with."""
        return sum(one.done for one in self.slices)

    @property
    def dropped(self) -> int:
        """Those of them that the transform did not want in the new index."""
        return sum(one.dropped for one in self.slices)


class Store:
    """The state of one alias's reindex, for one run of one job. `clock`: seconds since 1970."""

    def __init__(
        self, redis: Redis, alias: str, job: Job, queue: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis, self._alias, self._job, self._queue = redis, alias, job, queue
        self._clock, self._key = clock, keys.reindex_state(alias)
        self._owner = json.dumps(uuid4().hex)
        self._heeds_cancel = True
        self._begin = redis.register_script(script("reindex_begin"))
        self._save = redis.register_script(script("reindex_save"))

    @property
    def now_ms(self) -> int:
        """Ms since 1970."""
        return int(self._clock() * 1000)

    async def begin(self, *, rollback: bool) -> Begun:
        """Take the alias's reindex up, anew or where this job was before."""
        now = self.now_ms
        fresh = {
            "id": uuid4().hex,
            "phase": ReindexPhase.CREATE,
            "rollback": rollback,
            "started": now,
            "since": now,
            "updated": now,
        }
        pairs = [part for name, value in fresh.items() for part in (name, json.dumps(value))]
        names = [self._key, keys.REINDEXES]
        job, queue = json.dumps(self._job.id), json.dumps(self._queue)
        pairs_as_one = json.dumps(pairs)
        arguments: list[Any] = [self._alias, job, queue, self._owner, pairs_as_one, self._job.enqueued_ms]
        answer = await self._begin(keys=names, args=arguments)
        return Begun(answer.decode())

    async def other_job(self) -> str:
        """The id of the job that has the alias."""
        raw = await self._redis.hget(self._key, "job")  # type: ignore[misc]  # typed for both clients
        return str(json.loads(raw)) if raw else "?"

    async def load(self) -> State:
        """What was saved last, to go on from. Raises NotOwner where nothing is there any more."""
        state = await self.look()
        self._heeds_cancel = not state.phase.final and state.phase not in _TOO_LATE_TO_CANCEL
        return state

    async def look(self) -> State:
        """The same, only to be looked at."""
        state = await read_state(self._redis, self._alias)
        if state is None:
            raise NotOwner(self._alias)
        return state

    async def save(self, **fields: Any) -> None:
        """Save some members of the hash. Raises NotOwner (nothing is saved), CancelAsked (it is)."""
        fields["updated"] = self.now_ms
        pairs = [part for name, value in fields.items() for part in (name, json.dumps(value))]
        answer = await self._save(keys=[self._key], args=[self._owner, *pairs])
        if answer == b"lost":
            raise NotOwner(self._alias)
        if answer == b"cancel" and self._heeds_cancel:
            raise CancelAsked(self._alias)

    async def save_slice(self, number: int, part: Slice) -> None:
        """Save how far one part of the copy is. Raises as `save`."""
        await self.save(**{f"slice:{number}": part._asdict()})

    async def enter(self, state: State, phase: ReindexPhase, **fields: Any) -> None:
        """Save that a phase begins; the one before it has taken its seconds. Raises as `save`."""
        self._heeds_cancel = not phase.final and phase not in _TOO_LATE_TO_CANCEL
        now = self.now_ms
        spent = round(state.seconds.get(state.phase, 0.0) + (now - state.since_ms) / 1000, 3)
        seconds = {**state.seconds, state.phase: spent}
        await self.save(**{"phase": phase, "since": now, "seconds": seconds, "problem": None, **fields})


async def read_state(redis: Redis, alias: str) -> State | None:
    """What was saved of an alias's reindex; None where none is known."""
    found = await redis.hgetall(keys.reindex_state(alias))  # type: ignore[misc]  # typed for both clients
    if b"id" not in found:
        return None
    return _state_of({name.decode(): json.loads(value) for name, value in found.items()})


def seconds_by_phase(state: State, now_ms: int) -> dict[str, float]:
    """What each phase has taken, the present one up to now."""
    spent = state.seconds.get(state.phase, 0.0) + (now_ms - state.since_ms) / 1000
    return {**state.seconds, str(state.phase): round(spent, 3)}


def wire_of(kept: Kept) -> dict[str, Any]:
    """As it is stored."""
    return asdict(kept)


def failed_with(error: JobFailed, state: State) -> dict[str, Any]:
    """The report of a failure as it is stored, with what the reindex can tell of itself."""
    told = {"phase": str(state.phase), "old_index": state.old or None, "new_index": state.new or None}
    details = {name: value for name, value in told.items() if value} | dict(error.report.details)
    return replace(error.report, details=details).to_wire()


_PLAIN = (
    "rollback", "old", "new", "new_uuid", "total", "caught_up", "holds", "held_ms", "mismatches", "documents",
    "surplus", "moving", "blocked", "transform", "source",
)  # fmt: skip


def _state_of(fields: Mapping[str, Any]) -> State:
    slices = tuple(Slice(**fields.get(f"slice:{n}", {})) for n in range(fields.get("slices", 0)))
    return State(
        id=fields["id"],
        phase=ReindexPhase(fields["phase"]),
        started_ms=fields["started"],
        since_ms=fields["since"],
        names=tuple(fields.get("names", ())),
        untold=tuple(fields.get("untold", ())),
        slices=slices,
        seconds=fields.get("seconds", {}),
        ending=Report.from_wire(fields["ending"]) if fields.get("ending") else None,
        report=Report.from_wire(fields["report"]) if fields.get("report") else None,
        kept=Kept(**fields["kept"]) if fields.get("kept") else None,
        **{name: fields[name] for name in _PLAIN if name in fields},
    )
