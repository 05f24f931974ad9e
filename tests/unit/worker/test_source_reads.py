"""Which ids are read next, and who is guilty when reading fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.unit.worker.clock import Clock
from worker.actions import Action, ActionKind
from worker.backoff import Backoff
from worker.entry import Entry
from worker.source_reads import Part, SourceReads

MakeReads = Callable[..., SourceReads]


@pytest.fixture
def make_reads(clock: Clock, make_action: Callable[..., Action]) -> MakeReads:
    """Reads of so many ids, from ``0`` on; pauses of a second, and of two after two failures, and so on."""

    def make(ids: int, batch_size: int = 8, concurrency: int = 2) -> SourceReads:
        backoff = Backoff(1.0, 8.0, lambda: 1.0)
        reads = SourceReads(batch_size, concurrency, backoff, clock, lambda load: load)
        for n in range(ids):
            action = make_action(ActionKind.LOAD, id=str(n), source="rows")
            reads.add(Entry(action, cast(Any, None), n))
        return reads

    return make


class Guilty:
    """Reads everything, except what is refused; counts the calls."""

    def __init__(self, reads: SourceReads, clock: Clock) -> None:
        self.reads, self.clock = reads, clock
        self.calls: list[list[str]] = []
        self.read: list[str] = []
        self.guilty: list[str] = []

    def run(self, refused: set[str], calls: int = 200) -> None:
        """Make calls until nothing waits, at the most so many."""
        for _ in range(calls):
            part = self.reads.next()
            if part is None:
                if not self.reads.waits:
                    return
                self.clock.now += self.reads.seconds_to_wait() or 1.0
                continue
            self.call(part, refused)

    def call(self, part: Part, refused: set[str]) -> None:
        self.calls.append(part.ids)
        if refused & set(part.ids):
            guilty = self.reads.failed(part)
            if guilty is not None:
                self.guilty.append(guilty.action.id)
        else:
            self.reads.succeeded(part, part.ids)
            self.read += [load.action.id for load in part.loads]


def test_as_many_calls_are_made_at_once_as_may_be(make_reads: MakeReads) -> None:
    reads = make_reads(20, batch_size=8, concurrency=2)

    first, second = reads.next(), reads.next()

    assert first is not None
    assert second is not None
    assert [len(first.ids), len(second.ids)] == [8, 8]
    assert reads.next() is None
    reads.succeeded(first, first.ids)
    third = reads.next()
    assert third is not None
    assert third.ids == ["16", "17", "18", "19"]


def test_the_guilty_one_of_many_is_found_and_the_others_are_read_once(
    make_reads: MakeReads, clock: Clock
) -> None:
    run = Guilty(make_reads(64, batch_size=64), clock)

    run.run({"37"})

    assert run.guilty == ["37"]
    assert sorted(run.read, key=int) == [str(n) for n in range(64) if n != 37]
    # Halving, and four more tries of the guilty one, each after a call that shows that the source is there.
    assert len(run.calls) <= 2 * 6 + 1 + 2 * 4
    assert run.calls.count(["37"]) == 5


def test_several_guilty_ones_are_found(make_reads: MakeReads, clock: Clock) -> None:
    run = Guilty(make_reads(64, batch_size=64), clock)

    run.run({"3", "4", "20", "50", "63"}, calls=2000)

    assert sorted(run.guilty, key=int) == ["3", "4", "20", "50", "63"]
    assert len(run.read) == 59


def test_nobody_is_guilty_while_nothing_can_be_read(make_reads: MakeReads, clock: Clock) -> None:
    reads = make_reads(3, batch_size=2)
    run = Guilty(reads, clock)

    run.run({"0", "1", "2"}, calls=100)

    assert run.guilty == []
    assert reads.is_away
    # One id at a time, each time another one, at most eight seconds apart.
    assert {ids[0] for ids in run.calls[-6:]} == {"0", "1", "2"}
    assert all(len(ids) == 1 for ids in run.calls[-10:])
    run.run(set())
    assert sorted(run.read) == ["0", "1", "2"]
    assert not reads.is_away


def test_after_an_outage_many_are_read_together_again(make_reads: MakeReads, clock: Clock) -> None:
    run = Guilty(make_reads(64, batch_size=16), clock)
    run.run({str(n) for n in range(64)}, calls=40)
    failed = len(run.calls)

    run.run(set())

    assert sorted(run.read, key=int) == [str(n) for n in range(64)]
    assert len(run.calls) - failed < 40


def test_a_lone_id_that_fails_is_compared_with_one_that_can_be_read(
    make_reads: MakeReads, clock: Clock
) -> None:
    run = Guilty(make_reads(2, batch_size=1, concurrency=1), clock)

    run.run({"1"})

    assert run.guilty == ["1"]
    assert run.calls == [["0"], *[["1"], ["0"]] * 4, ["1"]]


def test_the_end_of_a_failure_is_told_once(make_reads: MakeReads, clock: Clock) -> None:
    reads = make_reads(2, batch_size=1, concurrency=1)
    first = reads.next()
    assert first is not None
    reads.failed(first)
    assert [reads.begins_to_fail(), reads.begins_to_fail()] == [True, False]

    clock.now += 1.0
    again = reads.next()
    assert again is not None
    clock.now += 2.0

    assert reads.succeeded(again, again.ids) == 3.0
    other = reads.next()
    assert other is not None
    assert reads.succeeded(other, other.ids) is None


def test_no_more_than_is_wished_is_read(make_reads: MakeReads) -> None:
    part = make_reads(5).next(1)

    assert part is not None
    assert part.ids == ["0"]
