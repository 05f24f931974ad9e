"""The order of loads among the other writes to their documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from jobs.outcomes import Outcome
from worker.actions import Action, ActionKind
from worker.entry import Entry, Owner
from worker.lanes import Lanes

Make = Callable[..., Entry]
L, I, U = ActionKind.LOAD, ActionKind.INDEX, ActionKind.UPDATE  # noqa: E741 - as in the names of the tests


@pytest.fixture
def make(make_action: Callable[..., Action]) -> Make:
    """An entry on one document."""

    def make(kind: ActionKind, **members: Any) -> Entry:
        source = "rows" if kind is L else None
        action = make_action(kind, id="1", **{"source": source} | members)
        return Entry(action, cast(Owner, None), 0)

    return make


def add(lanes: Lanes, *entries: Entry) -> None:
    for entry in entries:
        (lanes.add_load if entry.action.kind is L else lanes.add)(entry)


def read(lanes: Lanes, routing: str | None = None) -> Entry:
    """Take the first load, read it, and make it ready."""
    entry = lanes.latest_load(lanes.loads.popleft())
    entry.action = entry.action._replace(kind=I, body=b"{}", routing=routing)
    lanes.again((entry,))
    return entry


def test_a_load_is_to_be_read_when_it_is_the_first_of_its_lane(make: Make) -> None:
    lanes = Lanes()
    index, load, update = make(I), make(L), make(U)
    add(lanes, index, load, update)

    assert (list(lanes.loads), lanes.take(9, 99999)) == ([], [index])
    lanes.settle(index, Outcome.CREATED)
    assert (list(lanes.loads), len(lanes)) == ([load], 0)
    assert read(lanes) is load
    assert lanes.take(9, 99999) == [load]
    lanes.settle(load, Outcome.UPDATED)
    assert lanes.take(9, 99999) == [update]
    lanes.settle(update, Outcome.UPDATED)
    assert lanes.unsettled == 0


@pytest.mark.parametrize(
    "outcome", [Outcome.UPDATED, Outcome.SUPERSEDED, Outcome.DELETED, Outcome.MISSING, Outcome.REJECTED]
)
def test_loads_in_a_row_are_read_once_and_end_together(make: Make, outcome: Outcome) -> None:
    lanes = Lanes()
    first, second, last, update = make(L), make(L), make(L), make(U)
    add(lanes, first, second, last, update)

    assert read(lanes) is last
    assert lanes.take(9, 99999) == [last]
    assert lanes.settle(last, outcome) == [first, second]
    assert lanes.take(9, 99999) == [update]
    assert (list(lanes.loads), lanes.unsettled) == ([], 1)


def test_a_load_that_comes_while_one_is_read_is_read_after_it(make: Make) -> None:
    lanes = Lanes()
    first, second = make(L), make(L)
    add(lanes, first)
    read(lanes)
    add(lanes, second)

    assert lanes.take(9, 99999) == [first]
    assert lanes.settle(first, Outcome.UPDATED) == ()
    assert list(lanes.loads) == [second]


def test_loads_with_another_job_between_them_are_read_apart(make: Make) -> None:
    lanes = Lanes()
    first, update, second = make(L), make(U), make(L)
    add(lanes, first, update, second)

    assert read(lanes) is first
    assert lanes.take(9, 99999) == [first]


def test_what_was_read_is_sent_though_a_plain_index_follows(make: Make) -> None:
    # Kept back for an index that is then refused, it would be sent after loads that were read later.
    lanes = Lanes()
    load, index = make(L), make(I)
    add(lanes, load, index)
    read(lanes)

    assert lanes.take(9, 99999) == [load]


def test_a_plain_index_is_not_kept_back_for_a_load(make: Make) -> None:
    lanes = Lanes()
    index, load = make(I), make(L)
    add(lanes, index, load)

    assert lanes.take(9, 99999) == [index]
    assert lanes.settle(index, Outcome.REJECTED) == ()
    assert list(lanes.loads) == [load]


def test_a_lane_with_loads_is_given_back_whole_and_in_order(make: Make) -> None:
    lanes = Lanes()
    first, second, update = make(L), make(L), make(U)
    add(lanes, first, second, update)
    read(lanes)
    lanes.take(9, 99999)

    assert lanes.can_go(second)
    assert lanes.let_go(second) == [first, second, update]
    assert lanes.unsettled == 0
