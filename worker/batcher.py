"""Gathers the actions of many jobs into bulk requests. Knows no Elasticsearch, no arq, no Redis.

1. `add` puts an entry into its document's lane.
2. While the gate lets requests leave, what is ready leaves at once; meanwhile entries gather, so batches
   grow with the load. A batch is cut at a count and at a size.
3. The answers come back by position. The next request leaves before they are worked through: Elasticsearch
   need not wait for us.
4. A settled one goes to its owner, and the next on its document becomes ready. The others go to `Retries`.
5. What has to be read from a source before it can be sent is the `Loader`'s until then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from .actions import Action
from .answers import NO_PROBLEM, Answer, Away, Problem, Settled, Trouble, rejected
from .backoff import Backoff
from .breaker import Breaker
from .concurrency import Concurrency
from .entry import Entry
from .gate import Gate, Leave
from .lanes import Lanes
from .loading import Loader, Reading
from .retries import OnBlocked, Retries, Troubled
from .settling import settle, tell, tell_overtaken

logger = logging.getLogger("penstock.batcher")

# About 1 ms of reports: the request that has just left needs the loop to be written to its socket.
_ANSWERS_PER_TURN = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request: an answer for each action, by position."""

    answers: Sequence[Answer]
    problem: Problem = NO_PROBLEM


Write = Callable[[Sequence[Action]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a batch is cut, and how many requests may be in flight at a time."""

    max_actions: int
    max_bytes: int
    max_in_flight: int


@dataclass(slots=True)
class Counts:
    """What has happened since the process started. `coalesced` actions never travelled: see Lanes."""

    requests: int = 0
    actions: int = 0
    troubles: int = 0
    coalesced: int = 0


class Batcher:
    """See the module. `name` makes its batch ids unique among all processes.

    `on_blocked` is given entries whose index takes no writes, unsettled, in the order of their numbers, with
    the target (see Action) and why; no entries where some stay here, and, if that goes on, the seconds until
    these are tried again. Without it all are tried again like throttled ones. It must not raise.
    """

    def __init__(
        self,
        name: str,
        write: Write,
        limits: Limits,
        backoff: Backoff,
        *,
        concurrency: Concurrency | None = None,
        on_blocked: OnBlocked | None = None,
        reading: Reading | None = None,
    ) -> None:
        self._name, self._write, self._limits = name, write, limits
        self._lanes = Lanes()
        self._retries = Retries(self._lanes, backoff, self.pump, on_blocked)
        self.give_back = self._retries.give_back
        self._loader = Loader(self._lanes, reading or Reading({}), backoff, self.pump)
        self._gate = Gate(
            concurrency or Concurrency(limits.max_in_flight, monotonic),
            Breaker(monotonic),
            ready=self.pump,
            opened=self._retries.wake_all,
            closed=self._retries.take_back,
        )
        self._tasks: dict[asyncio.Task[None], Sequence[Entry]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._lone_is_next = False
        self._stopped = False
        self._changed = asyncio.Event()
        self.counts = Counts()

    @property
    def unsettled(self) -> int:
        """Entries that have no final answer yet."""
        return self._lanes.unsettled

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return len(self._under_way)

    @property
    def is_open(self) -> bool:
        """Whether the cluster's breaker is open: nothing but a probe a second is sent."""
        return self._gate.is_open

    @property
    def accepting(self) -> asyncio.Event:
        """Cleared while the breaker is open: what is added then only waits."""
        return self._gate.accepting

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries in; those of one document are written in the order in which they come."""
        for entry in entries:
            self._lanes.add(entry)

    def add_loads(self, entries: Sequence[Entry]) -> None:
        """The same for those that have to be read from a source before they can be sent."""
        self._loader.add(entries)

    def pump(self, *, only_full: bool = False) -> None:
        """Send what is ready while the gate is open. Called after every change.

        `only_full`: more is about to be added, so that a batch that is not full yet can wait for it.
        """
        self._changed.set()
        if not self._gate.is_open:
            self._loader.pump()
        while not self._stopped and (leave := self._gate.leave(len(self._under_way))) is not Leave.NOTHING:
            if only_full and leave is Leave.BATCH and len(self._lanes) < self._limits.max_actions:
                return
            batch = self._next_batch(leave)
            if leave is Leave.PROBE and not self._tasks and (not batch or _fails_alone(batch)):
                self._gate.accepting.set()  # there is nothing to probe with that could close the breaker
            if not batch:
                if leave is Leave.PROBE:
                    self._loader.pump(most=1)  # for something to probe with
                return
            self._leave(batch, self._gate.probe() if leave is Leave.PROBE else None)

    async def tried(self) -> None:
        """Wait until all that can be sent was answered once; the rest is tried again, or behind that."""
        while any(not one.attempts for entries in self._on_their_way() for one in entries):
            self._changed.clear()
            await self._changed.wait()

    async def drain(self, seconds: float) -> None:
        """Send what is ready and wait for the answers, up to `seconds`; then cut the connections and reads.

        Nothing is tried again meanwhile, and nothing is waited for while the cluster is away. What is not
        settled then stays so: its owner gives the jobs back.
        """
        self._retries.close()
        self._loader.close()
        deadline = monotonic() + seconds
        while (
            self._tasks
            and not self._stopped
            and not self._gate.is_open
            and (left := deadline - monotonic()) > 0
        ):
            await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self.hurry()
        await asyncio.gather(*self._tasks, self._loader.ended(), return_exceptions=True)

    def hurry(self) -> None:
        """Cut what is in flight: a `drain` under way ends at once."""
        self._stopped = True
        self._gate.close()
        for task in self._tasks:
            task.cancel()

    def _on_their_way(self) -> Iterable[Iterable[Entry]]:
        return (self._lanes.ready, *self._tasks.values(), self._loader.unread)

    def _next_batch(self, leave: Leave) -> list[Entry]:
        if leave is Leave.PROBE and (probe := self._lanes.take(1, self._limits.max_bytes)):
            return probe
        if self._retries.halves:
            return self._retries.halves.popleft()
        # However many have to travel alone, the others have every second request.
        lone, lone_is_next = self._retries.lone, self._lone_is_next
        batch: list[Entry] = []
        if not (lone and lone_is_next):
            batch = self._lanes.take(self._limits.max_actions, self._limits.max_bytes)
        self._lone_is_next = bool(batch)
        return batch or ([self._lanes.latest(lone.popleft())] if lone else [])

    def _leave(self, batch: list[Entry], timeout: float | None) -> None:
        cut = len(batch) >= self._limits.max_actions or len(self._lanes) > 0
        full = cut and not _fails_alone(batch) and len(self._under_way) + 1 >= self._gate.concurrency.limit
        task = asyncio.get_running_loop().create_task(self._send(batch, full, timeout))
        self._tasks[task] = batch
        self._under_way.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._under_way.discard(task)  # one that was cut before it had begun
        self.pump()

    async def _send(self, batch: list[Entry], full: bool, timeout: float | None) -> None:
        """One request, from leaving to the last of its answers."""
        self.counts.requests += 1
        self.counts.actions += len(batch)
        batch_id = f"{self._name}-{self.counts.requests}"
        sent = monotonic()
        reply = await self._reply(batch, timeout)
        seconds = monotonic() - sent
        self._under_way.discard(asyncio.current_task())
        failed = Trouble.FAILED in reply.answers[:1]
        if self._gate.is_open or not (failed and _fails_alone(batch)):
            self._gate.answered(reply.problem, sent)
        self.pump()
        troubled: Troubled = []
        for start in range(0, len(batch), _ANSWERS_PER_TURN):
            if start or self._under_way:
                await _turn()
            end = start + _ANSWERS_PER_TURN
            self._sort(batch[start:end], reply.answers[start:end], batch_id, troubled)
        throttled = any(answer is Trouble.THROTTLED for _, answer in troubled)
        trouble = throttled or (reply.problem.away is not Away.NO and not failed)
        self._gate.concurrency.answered(len(batch), seconds, full=full, trouble=trouble)
        if troubled:
            self._handle(troubled, reply.problem, batch_id)

    async def _reply(self, batch: list[Entry], timeout: float | None) -> Reply:
        """What the writer says; a defect in it must not stop the others."""
        try:
            async with asyncio.timeout(timeout):
                reply = await self._write([entry.action for entry in batch])
            if len(reply.answers) == len(batch):
                return reply
            raise ValueError(f"{len(reply.answers)} answers to {len(batch)} actions")  # noqa: TRY301
        except Exception as error:
            if timeout is not None and isinstance(error, TimeoutError):
                problem = Problem("timeout", f"a probe had no answer in {timeout} s", Away.MAYBE)
                return Reply([Trouble.UNSURE] * len(batch), problem)
            logger.critical("a defect of Penstock: please report it", exc_info=error)
            # As a refused request it is split, so that what sets the defect off hurts itself alone.
            reason = f"{type(error).__name__}: please report this to Penstock"
            return Reply([Trouble.REFUSED] * len(batch), Problem("internal_error", reason))

    def _sort(
        self, batch: Sequence[Entry], answers: Sequence[Answer], batch_id: str, troubled: Troubled
    ) -> None:
        """Final answers go to their owners, the others into `troubled`."""
        let_go = self._lanes.settle  # this loop runs for every action: a call more in it can be measured
        for entry, answer in zip(batch, answers, strict=True):
            entry.attempts += 1
            if not isinstance(answer, Settled):
                troubled.append((entry, answer))
                continue
            if overtaken := let_go(entry, answer.outcome):
                self.counts.coalesced += len(overtaken)
                tell_overtaken(overtaken, answer, batch_id)
            tell(entry, answer, batch_id)

    def _handle(self, troubled: Troubled, problem: Problem, batch_id: str) -> None:
        kind = troubled[0][1]
        refused, failed = kind is Trouble.REFUSED, kind is Trouble.FAILED
        if len(troubled) > 1 and (refused or (failed and not self._gate.is_open)):
            logger.info("%d actions are sent again in halves (%s, %s)", len(troubled), kind, problem.type)
            self._retries.divide([entry for entry, _ in troubled])
        elif refused:
            ((guilty, _),) = troubled
            settle(self._lanes, guilty, rejected(problem.type, problem.reason), batch_id)
        else:
            self.counts.troubles += 1
            self._retries.take(troubled, problem, cluster_away=self._gate.is_open)


def _fails_alone(batch: Sequence[Entry]) -> bool:
    """Whether this is one action alone that is known to make Elasticsearch answer with 500.

    Another 500 for it says nothing of the cluster, unless it was sent as a probe.
    """
    return len(batch) == 1 and batch[0].fails_alone


async def _turn() -> None:
    """Let others run. A cut connection does not keep answers that are here from their owners."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
