"""The ledger: every submit in its order, and whether the producer knows that it was taken.

Submits that share a document must be made one after the other (see `producers`): then the order of the
ledger is the order in which they were enqueued.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.operations import Kind, Operation


class State(StrEnum):
    """What a producer knows of one submit."""

    OK = "ok"
    """Acknowledged: it must be applied, exactly in its place."""
    FAILED = "failed"
    """Refused: it must leave no trace."""
    UNKNOWN = "unknown"
    """Neither: it may have been applied in its place, or not at all."""


@dataclass(frozen=True, slots=True)
class Submit:
    """One job as it was handed to the producer; the id only where that is known."""

    operations: tuple[Operation, ...]
    state: State
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a submit, seen from its document."""

    submit: Submit
    position: int

    @property
    def operation(self) -> Operation:
        return self.submit.operations[self.position]


@dataclass(slots=True)
class Ledger:
    """All submits of a run."""

    submits: list[Submit] = field(default_factory=list)
    wiped: dict[str, int] = field(default_factory=dict)
    """By place: after any of the first so many submits the documents may have gone with their index."""

    def enter(self, submit: Submit) -> Submit:
        self.submits.append(submit)
        return submit

    def count(self, state: State) -> int:
        return sum(submit.state is state for submit in self.submits)

    def jobs(self) -> Iterator[tuple[str, Submit]]:
        """The acknowledged jobs by their ids."""
        for submit in self.submits:
            if submit.state is State.OK:
                assert submit.job_id is not None
                yield submit.job_id, submit

    def by_document(self) -> dict[str, list[Step]]:
        """What was done, or may have been done, to each document, in order."""
        steps: defaultdict[str, list[Step]] = defaultdict(list)
        for number, submit in enumerate(self.submits):
            if submit.state is State.FAILED:
                continue
            for position, operation in enumerate(submit.operations):
                steps[operation.document].append(Step(submit, position))
                if number < self.wiped.get(operation.place, 0):
                    steps[operation.document].append(_wipe(operation))
        return dict(steps)


def _wipe(operation: Operation) -> Step:
    """The document goes with its index, or does not: a deletion of unknown fate."""
    deletion = Operation(operation.number, operation.document, Kind.DELETE, place=operation.place)
    return Step(Submit((deletion,), State.UNKNOWN), 0)
