"""One job's actions on their way through the batcher, until each has its final answer.

Knows the job's times and its actions; knows no Redis and no Elasticsearch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, time

from jobs.models import BulkWrite, DocumentAction
from jobs.report import Report

from .actions import actions_of
from .answers import Settled
from .entry import Entry
from .reports import Result, report_of


class Delivery:
    """Counts the answers of one job's actions; calls `done` with the report after the last one."""

    __slots__ = ("_bulk", "_done", "_open", "_results", "_started", "_waited_ms", "entries")

    def __init__(
        self,
        payload: DocumentAction | BulkWrite,
        number: int,
        keys: Sequence[str],
        done: Callable[[Report], None],
    ) -> None:
        self._done = done
        self._bulk = isinstance(payload, BulkWrite)
        self._started = monotonic()
        # A job's number is the moment of its enqueue by Redis's clock, in µs.
        self._waited_ms = max(0.0, time() * 1000 - number / 1000)
        actions = actions_of(payload, number, keys)
        self.entries = [Entry(action, self, i) for i, action in enumerate(actions)]
        self._results: list[Result | None] = [None] * len(self.entries)
        self._open = len(self.entries)

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """Take one final answer in (the batcher calls this)."""
        self._results[entry.position] = Result(entry.action, settled, entry.attempts, batch)
        self._open -= 1
        if self._open == 0:
            self._done(self._report())

    def _report(self) -> Report:
        return report_of(
            [result for result in self._results if result is not None],
            bulk=self._bulk,
            waited_ms=round(self._waited_ms, 3),
            took_ms=round((monotonic() - self._started) * 1000, 3),
        )
