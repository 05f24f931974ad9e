"""The order of writes to each document, for any sequence of what can happen to them."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobs import Outcome
from worker.actions import Action, ActionKind
from worker.entry import Entry
from worker.lanes import Lanes

INDEX, UPDATE = ActionKind.INDEX, ActionKind.UPDATE


class Nobody:
    def settled(self, entry: Entry, settled: Any, batch: str) -> None:
        """Lanes tell their owners nothing."""


def entry(key: str, position: int, body: bytes = b"", kind: ActionKind = UPDATE, **members: Any) -> Entry:
    common: dict[str, Any] = {"index": "i", "id": key, "key": key, "number": position + 1, "body": body}
    return Entry(Action(kind=kind, **common | members), Nobody(), position)


class AnySequence(RuleBasedStateMachine):
    """Few documents and many writes: entries are added, taken, made ready again, settled in any order.

    Whether a write is good (accepted by Elasticsearch) is its own property. `stored` is what Elasticsearch
    has then: the last full write, by version, and the updates since. `applied` is what it would have if the
    writes had been sent one by one, in their order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.good: dict[Entry, bool] = {}
        self.added: dict[str, list[Entry]] = defaultdict(list)
        self.settled: dict[str, list[Entry]] = defaultdict(list)
        self.stored: dict[str, list[Entry]] = defaultdict(list)
        self.on_their_way: list[Entry] = []

    @rule(
        key=st.sampled_from("abc"),
        kind=st.sampled_from([INDEX, INDEX, INDEX, UPDATE]),
        pipeline=st.sampled_from([None, None, None, "p"]),
        good=st.sampled_from([True, True, False]),
    )
    def add(self, key: str, kind: ActionKind, pipeline: str | None, good: bool) -> None:
        new = entry(key, len(self.good), kind=kind, pipeline=pipeline)
        self.good[new] = good
        self.added[key].append(new)
        self.lanes.add(new)

    @rule(most=st.integers(1, 4), most_bytes=st.integers(0, 1000))
    def take(self, most: int, most_bytes: int) -> None:
        ready = len(self.lanes)
        taken = self.lanes.take(most, most_bytes)
        assert len(taken) <= most
        assert bool(taken) == bool(ready), "something is taken whenever something is ready"
        assert len(self.lanes) == ready - len(taken)
        self.on_their_way += taken

    @precondition(lambda self: self.on_their_way)
    @rule(choice=st.data())
    def again(self, choice: st.DataObject) -> None:
        chosen = choice.draw(st.sampled_from(self.on_their_way))
        self.on_their_way.remove(chosen)
        self.lanes.again([chosen])

    @precondition(lambda self: self.on_their_way)
    @rule(choice=st.data())
    def settle(self, choice: st.DataObject) -> None:
        chosen = choice.draw(st.sampled_from(self.on_their_way))
        self.on_their_way.remove(chosen)
        self._written(chosen)

    @precondition(lambda self: self.on_their_way)
    @rule(choice=st.data())
    def let_go(self, choice: st.DataObject) -> None:
        chosen = choice.draw(st.sampled_from(self.on_their_way))
        self.on_their_way.remove(chosen)
        key = chosen.action.key
        lane = self.lanes.let_go(chosen)
        assert lane == [one for one in self.added[key] if one not in self.settled[key]], "all, in order"
        for one in lane:
            self.added[key].remove(one)

    def _written(self, chosen: Entry) -> None:
        key = chosen.action.key
        if self.good[chosen]:
            full = chosen.action.kind is INDEX
            assert not self.stored[key] or self.stored[key][-1].position < chosen.position, "never backwards"
            self.stored[key] = [chosen] if full else [*self.stored[key], chosen]
        overtaken = self.lanes.settle(chosen, Outcome.UPDATED if self.good[chosen] else Outcome.REJECTED)
        for one in overtaken:
            assert one.action.kind is INDEX
            assert one.position < chosen.position
            assert self.good[chosen]
            assert one.action.pipeline == chosen.action.pipeline
        self.settled[key] += [*overtaken, chosen]

    def _applied(self, key: str) -> list[Entry]:
        applied: list[Entry] = []
        for one in self.added[key]:
            if self.good[one]:
                applied = [one] if one.action.kind is INDEX else [*applied, one]
        return applied

    @invariant()
    def nothing_is_settled_twice(self) -> None:
        for done in self.settled.values():
            assert len(done) == len(set(done))

    @invariant()
    def never_two_of_a_document_are_on_their_way(self) -> None:
        keys = [entry.action.key for entry in self.on_their_way]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_is_behind_an_update_waits_for_it(self) -> None:
        for chosen in self.on_their_way:
            before = self.added[chosen.action.key]
            for one in before[: before.index(chosen)]:
                assert one in self.settled[chosen.action.key] or one.action.kind is INDEX

    @invariant()
    def every_document_that_waits_has_one_ready_or_on_its_way(self) -> None:
        waiting = [key for key in self.added if len(self.settled[key]) < len(self.added[key])]
        assert len(self.lanes) + len(self.on_their_way) == len(waiting)

    @invariant()
    def the_count_is_right(self) -> None:
        assert self.lanes.unsettled == len(self.good) - self._gone()

    def _gone(self) -> int:
        there = sum(len(added) for added in self.added.values())
        return len(self.good) - there + sum(len(done) for done in self.settled.values())

    def teardown(self) -> None:
        """Nothing is lost: whatever happened before, all can be taken and settled now."""
        while self.on_their_way or len(self.lanes):
            for chosen in self.on_their_way:
                self._written(chosen)
            self.on_their_way = self.lanes.take(10, 10_000)
        for key, added in self.added.items():
            assert sorted(self.settled[key], key=lambda one: one.position) == added
            assert self.stored[key] == self._applied(key)
        assert self.lanes.unsettled == 0


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_given_more_than_a_request_holds_when_taken_then_it_is_cut_at_the_count() -> None:
    lanes = Lanes()
    for n in range(5):
        lanes.add(entry(str(n), 0))

    assert [len(lanes.take(2, 10_000)) for _ in range(4)] == [2, 2, 1, 0]


def test_given_more_bytes_than_a_request_holds_when_taken_then_it_is_cut_just_below() -> None:
    lanes = Lanes()
    entries = [entry(str(n), 0, b"x" * 100) for n in range(5)]
    for one in entries:
        lanes.add(one)
    size = entries[0].action.line_bytes

    assert lanes.take(9, 2 * size) == entries[:2]
    assert lanes.take(9, 2 * size - 1) == entries[2:3]


def test_given_one_larger_than_a_request_when_taken_then_it_goes_alone() -> None:
    lanes = Lanes()
    small, large, after = entry("a", 0), entry("b", 0, b"x" * 1000), entry("c", 0)
    for one in (small, large, after):
        lanes.add(one)

    assert [lanes.take(9, 500) for _ in range(4)] == [[small], [large], [after], []]


def three_plain_writes(lanes: Lanes) -> list[Entry]:
    entries = [entry("a", n, kind=INDEX) for n in range(3)]
    for one in entries:
        lanes.add(one)
    return entries


@pytest.mark.parametrize("outcome", [Outcome.CREATED, Outcome.UPDATED, Outcome.SUPERSEDED])
def test_given_plain_writes_when_the_last_is_in_then_those_before_it_are_settled_with_it(
    outcome: Outcome,
) -> None:
    lanes = Lanes()
    first, second, third = three_plain_writes(lanes)

    assert lanes.take(9, 10_000) == [third]
    assert lanes.unsettled == 3
    assert lanes.settle(third, outcome) == [first, second]
    assert (lanes.unsettled, lanes.take(9, 10_000)) == (0, [])


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNCHANGED])
def test_given_plain_writes_when_the_last_is_not_in_then_the_one_before_is_sent(outcome: Outcome) -> None:
    lanes = Lanes()
    first, second, third = three_plain_writes(lanes)
    lanes.take(9, 10_000)

    assert lanes.settle(third, outcome) == ()
    assert lanes.take(9, 10_000) == [second]
    assert lanes.settle(second, outcome) == ()
    assert lanes.take(9, 10_000) == [first]
    assert lanes.settle(first, Outcome.CREATED) == ()
    assert lanes.unsettled == 0


def test_given_a_plain_write_that_has_to_go_again_then_a_later_one_goes_in_its_place() -> None:
    lanes = Lanes()
    first, second = entry("a", 0, kind=INDEX), entry("a", 1, kind=INDEX)
    lanes.add(first)
    lanes.take(9, 10_000)
    lanes.add(second)
    assert lanes.take(9, 10_000) == [], "it must not overtake one that is on its way"

    lanes.again([first])

    assert lanes.take(9, 10_000) == [second]
    assert lanes.settle(second, Outcome.CREATED) == [first]


@pytest.mark.parametrize(
    "other",
    [
        {"kind": ActionKind.CREATE},
        {"kind": ActionKind.DELETE},
        {"kind": ActionKind.UPDATE},
        {"routing": "r"},
        {"pipeline": "p"},
        {"require_alias": True},
    ],
    ids=lambda members: next(iter(members)) + "=" + str(next(iter(members.values()))),
)
@pytest.mark.parametrize("plain_first", [True, False])
def test_given_writes_of_different_kinds_then_they_are_sent_one_by_one(
    other: dict[str, Any], plain_first: bool
) -> None:
    lanes = Lanes()
    kinds: list[dict[str, Any]] = [{"kind": INDEX}, {"kind": INDEX} | other]
    entries = [entry("a", n, **members) for n, members in enumerate(kinds if plain_first else kinds[::-1])]
    for one in entries:
        lanes.add(one)

    for one in entries:
        assert lanes.take(9, 10_000) == [one]
        assert lanes.settle(one, Outcome.CREATED) == ()


def test_given_an_earlier_write_that_waits_until_visible_then_its_wish_passes_on() -> None:
    lanes = Lanes()
    first = entry("a", 0, kind=INDEX, wait_until_visible=True)
    second, third = entry("a", 1, kind=INDEX), entry("a", 2, kind=INDEX)
    for one in (first, second, third):
        lanes.add(one)

    (sent,) = lanes.take(9, 10_000)

    assert sent is third
    assert sent.action.wait_until_visible


def test_given_no_wish_then_a_later_write_has_none() -> None:
    lanes = Lanes()
    three_plain_writes(lanes)

    (sent,) = lanes.take(9, 10_000)

    assert not sent.action.wait_until_visible


def test_given_a_large_write_when_a_small_one_goes_in_its_place_then_its_size_does_not_count() -> None:
    lanes = Lanes()
    for one in (entry("b", 0, kind=INDEX), entry("a", 0, b"x" * 1000, INDEX), entry("a", 1, kind=INDEX)):
        lanes.add(one)

    assert [one.position for one in lanes.take(9, 500)] == [0, 1]
