"""What becomes of entries whose answer was not final. The only owner of "try again".

THROTTLED, UNAVAILABLE, UNSURE   again after a backoff; at once, without one, while the breaker is open: then
                                 nothing is sent anyway, and what waits is sent as soon as it has closed
CONFLICT                         the first time at once, since somebody else has written; then as above
REFUSED                          the request is halved until the guilty action stands alone
FAILED                           as REFUSED, but what stands alone is not rejected: it is sent again after a
                                 backoff, with nothing beside it; in an outage, only until that is over
BLOCKED                          given to `on_blocked`, target by target, each with all that is behind it on
                                 its document; a job of several actions once all of them sleep for a block,
                                 or stand behind what does. Again after a backoff where one of them can't be
                                 given back: some of its job was written

Knows no network. Nothing is tried again after `close`: entries that are not settled are their owners'.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence, Set

from jobs.envelope import index_key_of

from .answers import Blocked, Problem, Trouble
from .backoff import Backoff
from .entry import Entry
from .lanes import Lanes

logger = logging.getLogger("penstock.batcher")

OnBlocked = Callable[[Sequence[Entry], str, Blocked, float], None]
Troubled = list[tuple[Entry, Trouble | Blocked]]
_Refused = list[tuple[Entry, Blocked]]


class Retries:
    """See the module. `wake` is called when entries are ready again after a pause.

    `halves` are requests to be sent as they are, `lone` entries that are ready and have to travel alone.
    """

    def __init__(
        self, lanes: Lanes, backoff: Backoff, wake: Callable[[], None], on_blocked: OnBlocked | None
    ) -> None:
        self._lanes, self._backoff, self._wake, self._on_blocked = lanes, backoff, wake, on_blocked
        self._sleeping: dict[asyncio.TimerHandle, list[Entry]] = {}
        # Of what sleeps: the blocked ones, by document, for their jobs to leave once all of it is here.
        self._refused: dict[str, tuple[Entry, Blocked]] = {}
        self._doubtful: list[Entry] = []
        self._closed = False
        self.halves: deque[list[Entry]] = deque()
        self.lone: deque[Entry] = deque()

    def take(self, troubled: Troubled, problem: Problem, *, cluster_away: bool) -> None:
        """Take care of the entries of one request that have no final answer."""
        if self._closed:
            return
        if len(troubled) == 1 and troubled[0][1] is Trouble.FAILED:
            self._set_apart(troubled[0][0], problem, cluster_away=cluster_away)
        at_once: list[Entry] = []
        later: Troubled = []
        blocked, stuck = self._blocked_among(troubled)
        leaving = {entry for entry, _ in blocked}
        for entry, answer in troubled:
            if entry not in leaving:
                if cluster_away or (answer is Trouble.CONFLICT and not entry.troubles):
                    at_once.append(entry)
                else:
                    later.append((entry, answer))
            entry.troubles += not cluster_away
        self._again(at_once)
        if later:
            pause = self._try_later(later, problem)
            self._stay(stuck, pause)
        if blocked:
            self._give_away(blocked)

    def divide(self, entries: Sequence[Entry]) -> None:
        """Send halves of a request again that failed as a whole: safe, since writing is idempotent."""
        middle = len(entries) // 2
        self.halves.extend((list(entries[:middle]), list(entries[middle:])))

    def wake_all(self) -> None:
        """End all pauses: what sleeps is ready."""
        for timer, entries in self._sleeping.items():
            timer.cancel()
            self._again(entries)
        self._sleeping.clear()
        self._refused.clear()

    def take_back(self) -> None:
        """An outage is over: what was set apart meanwhile travels with others again."""
        for entry in self._doubtful:
            entry.fails_alone = False
        self._doubtful.clear()
        alone, self.lone = self.lone, deque()
        self._again(alone)

    def give_back(self, index_keys: Set[str]) -> list[Entry]:
        """Let go of what sleeps on these indices and what is behind it, where its jobs can be given back.

        A job of several actions goes while all of them sleep, or stand behind what goes.
        """
        sleeping = (entry for entries in self._sleeping.values() for entry in entries)
        held = [entry for entry in sleeping if index_key_of(entry.action.key) in index_keys]
        going = set(self._lanes.can_go_together(held))
        gone = [one for entry in going for one in self._lanes.let_go(entry)]
        self._sleep_no_more(going)
        gone.sort(key=lambda entry: entry.action.number)
        return gone

    def close(self) -> None:
        """Nothing is tried again from now on."""
        self._closed = True
        for timer in self._sleeping:
            timer.cancel()
        self._sleeping.clear()
        self._refused.clear()

    def _blocked_among(self, troubled: Troubled) -> tuple[_Refused, _Refused]:
        """What leaves because of these answers, with what slept till now; and the blocked ones that stay."""
        leaving: _Refused = []
        stuck: _Refused = []
        if self._on_blocked is not None:
            for entry, answer in troubled:
                if isinstance(answer, Blocked):
                    (leaving if self._lanes.can_go(entry) else stuck).append((entry, answer))
        if not stuck:
            return leaving, stuck
        self._refused.update((entry.action.key, (entry, answer)) for entry, answer in stuck)
        together = self._lanes.can_go_together(self._companions(stuck))
        leaving += [self._refused[entry.action.key] for entry in together]
        going = set(together)
        staying = [(entry, answer) for entry, answer in stuck if entry not in going]
        for entry, _ in stuck:
            self._refused.pop(entry.action.key, None)
        self._sleep_no_more(going.difference(entry for entry, _ in stuck))
        return leaving, staying

    def _companions(self, stuck: _Refused) -> list[Entry]:
        """Of what is refused, all that can only leave together with these: by their jobs, by their lanes."""
        found: dict[str, Entry] = {}
        jobs: set[int] = set()
        keys = [entry.action.key for entry, _ in stuck]
        while keys:
            key = keys.pop()
            if key in found or key not in self._refused:
                continue
            found[key], _ = self._refused[key]
            for one in self._lanes.lane(found[key]):
                if id(one.siblings) not in jobs:
                    jobs.add(id(one.siblings))
                    keys.extend(sibling.action.key for sibling in one.siblings)
        return list(found.values())

    def _stay(self, stuck: _Refused, pause: float) -> None:
        """Blocked ones sleep for now: whoever takes such entries is told.

        After a first answer the rest of the job may follow, and all leaves; later it is likely to stay.
        """
        self._refused.update((entry.action.key, (entry, answer)) for entry, answer in stuck)
        stubborn = {entry.action.target for entry, _ in stuck if entry.troubles > 1}
        if self._on_blocked is not None:
            for target, answer in {entry.action.target: answer for entry, answer in stuck}.items():
                self._on_blocked((), target, answer, pause if target in stubborn else 0.0)

    def _sleep_no_more(self, going: Set[Entry]) -> None:
        """Forget what leaves while it sleeps."""
        if not going:
            return
        for timer, entries in self._sleeping.items():
            self._sleeping[timer] = [entry for entry in entries if entry not in going]
        for entry in going:
            self._refused.pop(entry.action.key, None)

    def _set_apart(self, entry: Entry, problem: Problem, *, cluster_away: bool) -> None:
        """In an outage only until that is over: it proves nothing then, but the next probe is another one."""
        if cluster_away and not entry.fails_alone:
            self._doubtful.append(entry)
        elif not entry.fails_alone:
            where = f"{entry.action.index}/{entry.action.id}"
            logger.warning(
                "Elasticsearch fails at %s (%s): it is sent alone from now on", where, problem.type
            )
        entry.fails_alone = True

    def _again(self, entries: Sequence[Entry]) -> None:
        self._lanes.again(entry for entry in entries if not entry.fails_alone)
        self.lone.extend(entry for entry in entries if entry.fails_alone)

    def _try_later(self, later: Troubled, problem: Problem) -> float:
        """Have them sleep; for how long, in seconds."""
        entries = [entry for entry, _ in later]
        troubles = {Trouble.BLOCKED if isinstance(answer, Blocked) else answer for _, answer in later}
        delay = self._delay(max(entry.troubles for entry in entries), troubles) + problem.retry_after
        logger.warning(
            "%d actions are tried again in %.2f s (%s)", len(entries), delay, _why(troubles, later, problem)
        )
        self._wake_after(delay, entries)
        return delay

    def _delay(self, times: int, troubles: Set[Trouble]) -> float:
        """Where the cluster or an index asks for patience, or may be harmed, the pause has a floor."""
        if troubles & {Trouble.THROTTLED, Trouble.BLOCKED, Trouble.FAILED}:
            return self._backoff.patient_delay(times)
        return self._backoff.delay(times)

    def _wake_after(self, delay: float, entries: list[Entry]) -> None:
        def wake() -> None:
            woken = self._sleeping.pop(timer)
            if self._refused:
                for entry in woken:
                    self._refused.pop(entry.action.key, None)
            self._again(woken)
            self._wake()

        timer = asyncio.get_running_loop().call_later(delay, wake)
        self._sleeping[timer] = entries

    def _give_away(self, blocked: _Refused) -> None:
        """Lanes leave the batcher whole: what is behind a blocked one can't be written before it."""
        assert self._on_blocked is not None
        by_target: dict[str, list[Entry]] = {}
        for entry, _ in blocked:
            by_target.setdefault(entry.action.target, []).extend(self._lanes.let_go(entry))
        reasons = {entry.action.target: answer for entry, answer in blocked}
        for target, entries in by_target.items():
            entries.sort(key=lambda entry: entry.action.number)
            self._on_blocked(entries, target, reasons[target], 0.0)


def _why(troubles: Set[Trouble], later: Troubled, problem: Problem) -> str:
    """For the log: the troubles, and the reason where one is known."""
    known = next((answer for _, answer in later if isinstance(answer, Blocked)), problem)
    reason = [f"{known.type}: {known.reason}"] if known.type else []
    return ", ".join([*sorted(troubles), *reason])
