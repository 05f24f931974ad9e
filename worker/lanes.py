"""The order of writes to each document inside one process. Pure: no network, no clock, no job.

Entries on one document form a lane. Only the first of a lane is ever ready or on its way, so no request
holds two actions on one document and none is sent while an earlier one is unanswered. Everything that
is ready is about a different document, and may be sent in any order and company.

A plain `index` that another one follows need not travel: it would be replaced at once. The later one is
sent in its place, and it is kept back until the later one has its answer:

written, or older than what is there   the kept back ones are settled with it, as superseded
anything else                          they are the first of the lane again, and are sent

An update of a job of several actions keeps its lane closed to other jobs until all of its job is settled.
Where its worker dies before, the whole job runs again, and nothing tells then that this update was applied:
it would undo a later one, whose job had ended. (Full writes and deletes are told by their versions.)

A `load` has to be read before it can be sent: `loads` are the first of their lanes, for a Loader to turn them
into an index or a delete. Of loads that follow one another when a read begins only the last is read, and the
kept back ones have the same answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence, Set

from jobs.outcomes import Outcome

from .actions import Action, ActionKind
from .entry import Entry

# `unchanged` is none of them: a pipeline has dropped the later document, and would have let the earlier in.
_REPLACES = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.SUPERSEDED})


class Lanes:
    """All entries that are not settled: ready, on their way, kept back, or behind another."""

    def __init__(self) -> None:
        self._documents: set[str] = set()
        self._behind: dict[str, deque[Entry]] = {}
        self._kept_back: dict[str, list[Entry]] = {}
        self._ready: deque[Entry] = deque()
        # By job of several actions: how many are not settled, and the documents whose lanes it keeps closed.
        self._left: dict[int, int] = {}
        self._closed: dict[int, list[str]] = {}
        self.loads: deque[Entry] = deque()
        self.unsettled = 0

    def __len__(self) -> int:
        """The number of ready entries."""
        return len(self._ready)

    @property
    def ready(self) -> Iterable[Entry]:
        """What may be sent."""
        return self._ready

    def add(self, entry: Entry) -> None:
        """Put an entry behind all earlier ones on its document."""
        self.unsettled += 1
        key = entry.action.key
        if key in self._documents:
            self._behind.setdefault(key, deque()).append(entry)
        else:
            self._documents.add(key)
            self._ready.append(entry)

    def add_load(self, entry: Entry) -> None:
        """The same for an entry that has to be read first; `add` is spared the question."""
        self.unsettled += 1
        key = entry.action.key
        if key in self._documents:
            self._behind.setdefault(key, deque()).append(entry)
        else:
            self._documents.add(key)
            self.loads.append(entry)

    def take(self, max_actions: int, max_bytes: int) -> list[Entry]:
        """The next entries to send together: at least one, cut at a count and at a size in bytes."""
        taken: list[Entry] = []
        ready, behind = self._ready, self._behind
        size = 0
        while ready and len(taken) < max_actions:
            entry = ready[0]
            if behind and entry.action.key in behind:
                entry = ready[0] = self.latest(entry)
            size += entry.action.line_bytes
            if taken and size > max_bytes:
                break
            taken.append(ready.popleft())
        return taken

    def again(self, entries: Iterable[Entry]) -> None:
        """Make entries ready that were on their way; they are still the first of their lanes."""
        self._ready.extend(entries)

    def settle(self, entry: Entry, outcome: Outcome) -> Sequence[Entry]:
        """Let go of an entry; the next one on its document becomes ready, unless this keeps the lane closed.

        Returns the ones that it has overtaken, oldest first: they are let go of too, as superseded; or as
        rejected where it was, which only loads can be that were read together.
        """
        self.unsettled -= 1
        key = entry.action.key
        several = entry.siblings
        if not several and not self._behind and not self._kept_back:  # most often all are alone
            self._documents.remove(key)
            return ()
        overtaken = self._settle_kept_back(key, outcome) if key in self._kept_back else ()
        if several and self._stays_closed(entry):
            self._closed.setdefault(id(several), []).append(key)
        else:
            self._pass_on(key)
        for one in (entry, *overtaken):
            if one.siblings:
                self._count_down(one.siblings)
        return overtaken

    def can_go(self, entry: Entry) -> bool:
        """Whether the whole lane of an entry on its way can be given back."""
        return all(one.parkable for one in self.lane(entry))

    def can_go_together(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those entries on their way whose lanes can be given back, if all of these are.

        A job of several actions goes as a whole or stays, and with it all that shares a lane with it.
        """
        going = {entry: self.lane(entry) for entry in entries}
        while True:
            there = {one for lane in going.values() for one in lane}
            jobs = {id(one.siblings): one.siblings for one in there}
            cut = {job for job, siblings in jobs.items() if not there.issuperset(siblings)}
            staying = [entry for entry, lane in going.items() if not all(_may_go(one, cut) for one in lane)]
            if not staying:
                return list(going)
            for entry in staying:
                del going[entry]

    def let_go(self, entry: Entry) -> list[Entry]:
        """Take the whole lane of an entry on its way out, in order: none of it is settled."""
        key = entry.action.key
        lane = [*self._kept_back.pop(key, ()), entry, *self._behind.pop(key, ())]
        self._documents.remove(key)
        self.unsettled -= len(lane)
        return lane

    def latest(self, entry: Entry) -> Entry:
        """What is to be sent for the first of a lane: the last of the plain writes that follow one another.

        Those before it are kept back.
        """
        key = entry.action.key
        behind = self._behind.get(key)
        if not behind:
            return entry
        while behind and _replaces(behind[0].action, entry.action):
            self._kept_back.setdefault(key, []).append(entry)
            visible = entry.action.wait_until_visible
            entry = behind.popleft()
            if visible and not entry.action.wait_until_visible:
                # Once the later one can be seen, the earlier one's wish is fulfilled.
                entry.action = entry.action._replace(wait_until_visible=True)
        if not behind:
            del self._behind[key]
        return entry

    def latest_load(self, entry: Entry) -> Entry:
        """What is to be read for a load that is the first of its lane: the last of the loads in a row."""
        key = entry.action.key
        behind = self._behind.get(key)
        if not behind:
            return entry
        while behind and behind[0].action.kind is ActionKind.LOAD:
            self._kept_back.setdefault(key, []).append(entry)
            entry = behind.popleft()
        if not behind:
            del self._behind[key]
        return entry

    def _stays_closed(self, entry: Entry) -> bool:
        """Its own job's next action on the document may come, no other's."""
        if entry.action.kind is not ActionKind.UPDATE:
            return False
        behind = self._behind.get(entry.action.key)
        return not behind or behind[0].siblings is not entry.siblings

    def _count_down(self, job: Sequence[Entry]) -> None:
        """One of these is settled; with the last one the lanes open that they kept closed."""
        left = self._left.get(id(job), len(job)) - 1
        if left:
            self._left[id(job)] = left
            return
        self._left.pop(id(job), None)
        for key in self._closed.pop(id(job), ()):
            self._pass_on(key)

    def _pass_on(self, key: str) -> None:
        """The next one on this document is ready, if there is one."""
        behind = self._behind.get(key)
        if not behind:
            self._documents.remove(key)
            return
        following = behind.popleft()
        (self.loads if following.action.kind is ActionKind.LOAD else self._ready).append(following)
        if not behind:
            del self._behind[key]

    def lane(self, entry: Entry) -> Sequence[Entry]:
        """All that would leave with an entry on its way."""
        key = entry.action.key
        return (entry, *self._kept_back.get(key, ()), *self._behind.get(key, ()))

    def _settle_kept_back(self, key: str, outcome: Outcome) -> Sequence[Entry]:
        kept = self._kept_back.pop(key)
        if outcome in _REPLACES or kept[0].action.kind is ActionKind.LOAD:
            self.unsettled -= len(kept)
            return kept
        self._behind.setdefault(key, deque()).extendleft(reversed(kept))
        return ()


def _may_go(entry: Entry, cut: Set[int]) -> bool:
    """Whether an entry's job can be given back; `cut` are those that would be in part."""
    return entry.parkable or (bool(entry.siblings) and id(entry.siblings) not in cut)


def _replaces(later: Action, earlier: Action) -> bool:
    """Whether the later write leaves the same document behind, sent after the earlier one or alone."""
    return (
        later.kind is ActionKind.INDEX
        and earlier.kind is ActionKind.INDEX
        and later.index == earlier.index
        and later.routing == earlier.routing
        and later.pipeline == earlier.pipeline
        and later.require_alias == earlier.require_alias
        and earlier.source is None  # sent again after later loads were read, it would be the older of the two
    )
