"""Gathers the actions of many jobs into bulk requests. Knows no Elasticsearch, no arq, no Redis.

1. `add` puts an entry into its document's lane.
2. While the gate lets requests leave, what is ready leaves at once; meanwhile entries gather, so batches
   grow with the load. A batch is cut at a count and at a size.
3. The answers come back by position. The next request leaves before they are worked through: Elasticsearch
   need not wait for us.
4. A settled one goes to its owner, and the next on its document becomes ready. The others go to `Retries`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from jobs.outcomes import Outcome

from .actions import Action
from .answers import NO_PROBLEM, Answer, Away, Problem, Settled, Trouble, rejected
from .backoff import Backoff
from .breaker import Breaker
from .concurrency import Concurrency
from .entry import Entry
from .gate import Gate, Leave
from .lanes import Lanes
from .retries import OnBlocked, Retries, Troubled

logger = logging.getLogger("penstock.batcher")

# About 1 ms of reports: the request that has just left needs the loop to be written to its socket.
_ANSWERS_PER_TURN = 100
_OVERTAKEN = Settled(Outcome.SUPERSEDED)


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
    the index and why; without it they are tried again like throttled ones. It must not raise.
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
    ) -> None:
        self._name, self._write, self._limits = name, write, limits
        self._lanes = Lanes()
        self._retries = Retries(self._lanes, backoff, self.pump, on_blocked)
        self._gate = Gate(
            concurrency or Concurrency(limits.max_in_flight, monotonic),
            Breaker(monotonic),
            ready=self.pump,
            opened=self._retries.wake_all,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopped = False
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

    def pump(self, *, only_full: bool = False) -> None:
        """Send what is ready while the gate is open. Called after every change.

        `only_full`: more is about to be added, so that a batch that is not full yet can wait for it.
        """
        while not self._stopped and (leave := self._gate.leave(len(self._under_way))) is not Leave.NOTHING:
            if only_full and leave is Leave.BATCH and len(self._lanes) < self._limits.max_actions:
                return
            batch = self._next_batch(leave)
            if not batch:
                if leave is Leave.PROBE and not self._lanes.unsettled:
                    self._gate.accepting.set()  # there is nothing to probe with
                return
            self._leave(batch, self._gate.probe() if leave is Leave.PROBE else None)

    async def drain(self, seconds: float) -> None:
        """Send what is ready and wait for the answers, up to `seconds`; then cut the connections.

        Nothing is tried again meanwhile, and nothing is waited for while the cluster is away. What is not
        settled then stays so: its owner gives the jobs back.
        """
        self._retries.close()
        deadline = monotonic() + seconds
        while (
            self._tasks
            and not self._stopped
            and not self._gate.is_open
            and (left := deadline - monotonic()) > 0
        ):
            await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self.hurry()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hurry(self) -> None:
        """Cut what is in flight: a `drain` under way ends at once."""
        self._stopped = True
        self._gate.close()
        for task in self._tasks:
            task.cancel()

    def _next_batch(self, leave: Leave) -> list[Entry]:
        if leave is Leave.PROBE and (probe := self._lanes.take(1, self._limits.max_bytes)):
            return probe
        if self._retries.halves:
            return self._retries.halves.popleft()
        return self._lanes.take(self._limits.max_actions, self._limits.max_bytes)

    def _leave(self, batch: list[Entry], timeout: float | None) -> None:
        cut = len(batch) >= self._limits.max_actions or len(self._lanes) > 0
        full = cut and len(self._under_way) + 1 >= self._gate.concurrency.limit
        task = asyncio.get_running_loop().create_task(self._send(batch, full, timeout))
        self._tasks.add(task)
        self._under_way.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
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
        self._gate.answered(reply.problem, sent)
        self.pump()
        troubled: Troubled = []
        for start in range(0, len(batch), _ANSWERS_PER_TURN):
            if start or self._under_way:
                await _turn()
            end = start + _ANSWERS_PER_TURN
            self._sort(batch[start:end], reply.answers[start:end], batch_id, troubled)
        throttled = any(answer is Trouble.THROTTLED for _, answer in troubled)
        trouble = throttled or reply.problem.away is not Away.NO
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
        settle = self._lanes.settle  # this loop runs for every action: a call more in it can be measured
        for entry, answer in zip(batch, answers, strict=True):
            entry.attempts += 1
            if not isinstance(answer, Settled):
                troubled.append((entry, answer))
                continue
            if overtaken := settle(entry, answer.outcome):
                self._tell_overtaken(overtaken, batch_id)
            _tell(entry, answer, batch_id)

    def _tell_overtaken(self, entries: Sequence[Entry], batch_id: str) -> None:
        self.counts.coalesced += len(entries)
        for entry in entries:
            _tell(entry, _OVERTAKEN, batch_id)

    def _handle(self, troubled: Troubled, problem: Problem, batch_id: str) -> None:
        if troubled[0][1] is not Trouble.REFUSED:
            self.counts.troubles += 1
            self._retries.take(troubled, problem, cluster_away=self._gate.is_open)
        elif len(troubled) > 1:
            self._retries.divide([entry for entry, _ in troubled])
        else:
            ((guilty, _),) = troubled
            self._lanes.settle(guilty, Outcome.REJECTED)
            _tell(guilty, rejected(problem.type, problem.reason), batch_id)


def _tell(entry: Entry, settled: Settled, batch_id: str) -> None:
    try:
        entry.owner.settled(entry, settled, batch_id)
    except Exception:  # the other entries of the batch have their answers all the same
        logger.critical("a defect of Penstock: please report it", exc_info=True)


async def _turn() -> None:
    """Let others run. A cut connection does not keep answers that are here from their owners."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
