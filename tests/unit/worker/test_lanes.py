"""The order of writes to each document, for any sequence of what can happen to them."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from worker.actions import Action, ActionKind
from worker.entry import Entry
from worker.lanes import Lanes

MakeAction = Callable[..., Action]


class Nobody:
    def settled(self, entry: Entry, settled: Any, batch: str) -> None:
        """Lanes tell their owners nothing."""


def entry(key: str, position: int, body: bytes = b"") -> Entry:
    action = Action(kind=ActionKind.INDEX, index="i", id=key, key=key, number=position + 1, body=body)
    return Entry(action, Nobody(), position)


class AnySequence(RuleBasedStateMachine):
    """Few documents and many writes: entries are added, taken, made ready again, settled in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.added: dict[str, list[Entry]] = defaultdict(list)
        self.settled: dict[str, list[Entry]] = defaultdict(list)
        self.on_their_way: list[Entry] = []

    @rule(key=st.sampled_from("abc"))
    def add(self, key: str) -> None:
        new = entry(key, len(self.added[key]))
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
        self.lanes.settle(chosen)
        self.settled[chosen.action.key].append(chosen)

    @invariant()
    def the_order_of_each_document_is_kept(self) -> None:
        for key, done in self.settled.items():
            assert done == self.added[key][: len(done)]

    @invariant()
    def never_two_of_a_document_are_on_their_way(self) -> None:
        keys = [entry.action.key for entry in self.on_their_way]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_is_on_its_way_is_the_first_that_is_not_settled(self) -> None:
        for chosen in self.on_their_way:
            key = chosen.action.key
            assert chosen is self.added[key][len(self.settled[key])]

    @invariant()
    def every_document_that_waits_has_one_ready_or_on_its_way(self) -> None:
        waiting = [key for key in self.added if len(self.settled[key]) < len(self.added[key])]
        assert len(self.lanes) + len(self.on_their_way) == len(waiting)

    def teardown(self) -> None:
        """Nothing is lost: whatever happened before, all can be taken and settled now."""
        while self.on_their_way or len(self.lanes):
            for chosen in self.on_their_way:
                self.lanes.settle(chosen)
                self.settled[chosen.action.key].append(chosen)
            self.on_their_way = self.lanes.take(10, 10_000)
        assert dict(self.settled) == dict(self.added)
        assert self.lanes.unsettled == 0


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


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
