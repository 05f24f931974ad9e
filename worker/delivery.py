"""One job's actions on their way through the batcher, until each has its final answer.

Knows the job's times and its actions; knows no Redis and no Elasticsearch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, time

from jobs.report import Report

from .actions import Action
from .answers import Settled
from .claims import Claimed
from .entry import Entry
from .reports import Result, report_of


def waited_ms(number: int, now: float) -> float:
    """How long a job has waited; its number is the moment of its enqueue by Redis's clock, in µs."""
    return round(max(0.0, now * 1000 - number / 1000), 3)


class Delivery:
    """Counts the answers of a job's actions; after the last one calls `done` with the report and the answers.

    `answered` is given the answers before that, each with its action. `claimed` is the job, where it can be
    parked. `enqueued_ms` (since 1970) is when it was enqueued, where its number does not say so: it kept an
    old one.
    """

    __slots__ = (
        "_answered",
        "_bulk",
        "_claimed",
        "_done",
        "_open",
        "_results",
        "_started",
        "_waited_ms",
        "entries",
    )

    def __init__(
        self,
        actions: Sequence[Action],
        done: Callable[[Report, Sequence[Result]], None],
        *,
        bulk: bool,
        answered: Callable[[Sequence[Result]], None] | None = None,
        claimed: Claimed | None = None,
        enqueued_ms: int | None = None,
    ) -> None:
        self._done, self._answered = done, answered
        self._claimed = claimed
        self._bulk = bulk
        self._started = monotonic()
        moment = actions[0].number if enqueued_ms is None else enqueued_ms * 1000
        self._waited_ms = waited_ms(moment, time())
        # A job of several actions is given back as a whole or not at all: what is written of it would be
        # written again.
        alone = len(actions) == 1 and claimed is not None
        self.entries = [Entry(action, self, i, parkable=alone) for i, action in enumerate(actions)]
        if claimed is not None and not alone:
            for entry in self.entries:
                entry.siblings = self.entries
        self._results: list[Result | None] = [None] * len(self.entries)
        self._open = len(self.entries)

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """Take one final answer in (the batcher calls this)."""
        self._results[entry.position] = Result(entry.action, settled, entry.attempts, batch)
        self._open -= 1
        if self._open == 0:
            results = [result for result in self._results if result is not None]
            if self._answered is not None:
                self._answered(results)
            self._done(self._report(results), results)

    def withdrawn(self, park: Callable[[Claimed], None]) -> None:
        """Take an entry back that was not written, as none of the others is; with the last the job goes."""
        assert self._claimed is not None, "only a claimed job can be parked"
        self._open -= 1
        if self._open == 0:
            park(self._claimed)

    def _report(self, results: Sequence[Result]) -> Report:
        return report_of(
            results,
            bulk=self._bulk,
            waited_ms=self._waited_ms,
            took_ms=round((monotonic() - self._started) * 1000, 3),
        )


class LoneDelivery(Entry):
    """A job of one plain action: delivery, entry and owner in one object, since almost every job is such.

    `done` gets it back with the final answer and the batch that brought it.
    """

    __slots__ = ("_done", "claimed", "enqueued_ms", "started")

    def __init__(
        self,
        action: Action,
        claimed: Claimed,
        enqueued_ms: int,
        started: float,
        done: Callable[[LoneDelivery, Settled, str], None],
    ) -> None:
        super().__init__(action, self, 0)
        self.claimed, self.enqueued_ms, self.started, self._done = claimed, enqueued_ms, started, done

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """Take the final answer in (the batcher calls this)."""
        self._done(self, settled, batch)

    def withdrawn(self, park: Callable[[Claimed], None]) -> None:
        """Take the entry back that its index took no writes for."""
        park(self.claimed)

    def report(self, settled: Settled, batch: str, now: float) -> Report:
        """The job's report. Times in seconds since 1970."""
        result = Result(self.action, settled, self.attempts, batch)
        waited = waited_ms(self.action.number, self.started)
        return report_of([result], bulk=False, waited_ms=waited, took_ms=self.took_ms(now))

    def took_ms(self, now: float) -> float:
        """From the claim to the final answer. A clock that was set back makes it 0."""
        return round(max(0.0, (now - self.started) * 1000), 3)
