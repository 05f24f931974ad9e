"""Gathers the actions of many jobs into bulk requests. Knows no Elasticsearch, no arq, no Redis.

1. `add` puts an entry into its document's lane.
2. While a slot is free, what is ready leaves at once; while all slots are busy, entries gather, so
   batches grow with the load. A batch is cut at a count and at a size.
3. The answers come back by position. A settled one goes to its owner, and the next on its document
   becomes ready. Troubled ones are tried again after a backoff: this is the only owner of retries.
4. A request that was refused as a whole is split in halves until the guilty action stands alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

from .actions import Action
from .answers import Answer, Settled, Trouble, rejected
from .backoff import Backoff
from .entry import Entry
from .lanes import Lanes

logger = logging.getLogger("penstock.batcher")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request: an answer for each action, by position. `problem` says what troubled it."""

    answers: Sequence[Answer]
    problem: tuple[str, str] = ("", "")


Write = Callable[[Sequence[Action]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a batch is cut, and how many requests may be in flight at a time."""

    max_actions: int
    max_bytes: int
    max_in_flight: int


@dataclass(slots=True)
class Counts:
    """What has happened since the process started."""

    requests: int = 0
    actions: int = 0
    troubles: int = 0


class Batcher:
    """See the module. `name` makes its batch ids unique among all processes."""

    def __init__(self, name: str, write: Write, limits: Limits, backoff: Backoff) -> None:
        self._name, self._write, self._limits, self._backoff = name, write, limits, backoff
        self._lanes = Lanes()
        self._split: deque[list[Entry]] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._sleeping: set[asyncio.TimerHandle] = set()
        self._closing = False
        self._stopped = False
        self.counts = Counts()

    @property
    def unsettled(self) -> int:
        """Entries that have no final answer yet."""
        return self._lanes.unsettled

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return len(self._sending)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries in; those of one document are written in the order in which they come."""
        for entry in entries:
            self._lanes.add(entry)

    def pump(self, *, only_full: bool = False) -> None:
        """Send what is ready while slots are free. Called after every change.

        `only_full`: more is about to be added, so that a batch that is not full yet can wait for it.
        """
        while not self._stopped and len(self._sending) < self._limits.max_in_flight:
            if only_full and len(self._lanes) < self._limits.max_actions:
                return
            batch = self._split.popleft() if self._split else self._next_batch()
            if not batch:
                return
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    async def drain(self, seconds: float) -> None:
        """Send what is ready and wait for the answers, up to `seconds`; then cut the connections.

        Nothing is tried again meanwhile. What is not settled then stays so: its owner gives the jobs back.
        """
        self._closing = True
        for timer in self._sleeping:
            timer.cancel()
        self._sleeping.clear()
        deadline = monotonic() + seconds
        while self._sending and not self._stopped and (left := deadline - monotonic()) > 0:
            await asyncio.wait(self._sending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self.hurry()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def hurry(self) -> None:
        """Cut what is in flight: a `drain` under way ends at once."""
        self._stopped = True
        for task in self._sending:
            task.cancel()

    def _next_batch(self) -> list[Entry]:
        return self._lanes.take(self._limits.max_actions, self._limits.max_bytes)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.pump()

    async def _send(self, batch: list[Entry]) -> None:
        self.counts.requests += 1
        self.counts.actions += len(batch)
        batch_id = f"{self._name}-{self.counts.requests}"
        for entry in batch:
            entry.attempts += 1
        reply = await self._reply(batch)
        troubled: list[tuple[Entry, Trouble]] = []
        for entry, answer in zip(batch, reply.answers, strict=True):
            if isinstance(answer, Settled):
                self._settle(entry, answer, batch_id)
            else:
                troubled.append((entry, answer))
        if troubled:
            self._handle(troubled, reply.problem, batch_id)

    async def _reply(self, batch: list[Entry]) -> Reply:
        """What the writer says; a defect in it must not stop the others."""
        try:
            reply = await self._write([entry.action for entry in batch])
            if len(reply.answers) == len(batch):
                return reply
            raise ValueError(f"{len(reply.answers)} answers to {len(batch)} actions")  # noqa: TRY301
        except Exception as error:
            logger.critical("a defect of Penstock: please report it", exc_info=error)
            # As a refused request it is split, so that what sets the defect off hurts itself alone.
            reason = f"{type(error).__name__}: please report this to Penstock"
            return Reply([Trouble.REFUSED] * len(batch), ("internal_error", reason))

    def _settle(self, entry: Entry, settled: Settled, batch_id: str) -> None:
        self._lanes.settle(entry)
        try:
            entry.owner.settled(entry, settled, batch_id)
        except Exception:  # the other entries of the batch have their answers all the same
            logger.critical("a defect of Penstock: please report it", exc_info=True)

    def _handle(self, troubled: list[tuple[Entry, Trouble]], problem: tuple[str, str], batch_id: str) -> None:
        if troubled[0][1] is Trouble.REFUSED:
            self._divide([entry for entry, _ in troubled], problem, batch_id)
            return
        self.counts.troubles += 1
        at_once: list[Entry] = []
        later: list[tuple[Entry, Trouble]] = []
        for entry, trouble in troubled:
            # A conflict says that somebody else wrote: the second look is worth taking at once.
            if trouble is Trouble.CONFLICT and not entry.troubles:
                at_once.append(entry)
            else:
                later.append((entry, trouble))
            entry.troubles += 1
        if not self._closing:
            self._lanes.again(at_once)
        if later:
            self._try_later([entry for entry, _ in later], later[0][1], problem)

    def _divide(self, entries: list[Entry], problem: tuple[str, str], batch_id: str) -> None:
        """A refused request: halves of it are sent again, which is safe since writing is idempotent."""
        if len(entries) == 1:
            self._settle(entries[0], rejected(*problem), batch_id)
            return
        middle = len(entries) // 2
        self._split.extend((entries[:middle], entries[middle:]))

    def _try_later(self, entries: list[Entry], trouble: Trouble, problem: tuple[str, str]) -> None:
        delay = self._backoff.delay(max(entry.troubles for entry in entries))
        logger.warning(
            "%d actions are tried again in %.2f s (%s%s)",
            len(entries),
            delay,
            trouble,
            f", {problem[0]}: {problem[1]}" if problem[0] else "",
        )
        self._wake_after(delay, entries)

    def _wake_after(self, delay: float, entries: list[Entry]) -> None:
        def wake() -> None:
            self._sleeping.discard(timer)
            self._lanes.again(entries)
            self.pump()

        if not self._closing:
            timer = asyncio.get_running_loop().call_later(delay, wake)
            self._sleeping.add(timer)
