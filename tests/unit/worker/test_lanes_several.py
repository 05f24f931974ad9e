"""Jobs of several actions: what another job may do to a document while one of them is not settled."""

import pytest

from jobs import Outcome
from tests.unit.worker.test_lanes import INDEX, UPDATE, entry
from worker.actions import ActionKind
from worker.entry import Entry
from worker.lanes import Lanes


def job(lanes: Lanes, *actions: tuple[str, ActionKind]) -> list[Entry]:
    entries = [entry(key, position, kind=kind) for position, (key, kind) in enumerate(actions)]
    for one in entries:
        one.parkable, one.siblings = False, entries
        lanes.add(one)
    return entries


def alone(lanes: Lanes, key: str, kind: ActionKind = UPDATE) -> Entry:
    one = entry(key, 9, kind=kind)
    lanes.add(one)
    return one


def taken(lanes: Lanes) -> list[Entry]:
    return lanes.take(100, 10_000)


@pytest.mark.parametrize("outcome", [Outcome.UPDATED, Outcome.UNCHANGED, Outcome.REJECTED])
def test_given_an_update_that_is_settled_when_its_job_is_not_then_no_other_job_comes(
    outcome: Outcome,
) -> None:
    lanes = Lanes()
    on_a, on_b = job(lanes, ("a", UPDATE), ("b", UPDATE))
    later = alone(lanes, "a")
    assert taken(lanes) == [on_a, on_b]

    lanes.settle(on_a, outcome)
    latest = alone(lanes, "a")
    assert taken(lanes) == []
    lanes.settle(on_b, Outcome.UPDATED)

    assert taken(lanes) == [later]
    lanes.settle(later, Outcome.UPDATED)
    assert taken(lanes) == [latest]
    lanes.settle(latest, Outcome.UPDATED)
    assert lanes.unsettled == 0


def test_given_an_update_that_is_settled_then_its_own_job_goes_on_with_the_document() -> None:
    lanes = Lanes()
    first, on_b, second = job(lanes, ("a", UPDATE), ("b", UPDATE), ("a", UPDATE))
    later = alone(lanes, "a")
    assert taken(lanes) == [first, on_b]

    lanes.settle(first, Outcome.UPDATED)
    assert taken(lanes) == [second]
    lanes.settle(second, Outcome.UPDATED)
    assert taken(lanes) == []
    lanes.settle(on_b, Outcome.UPDATED)

    assert taken(lanes) == [later]


def test_given_a_full_write_that_is_settled_then_any_job_comes() -> None:
    lanes = Lanes()
    on_a, on_b = job(lanes, ("a", INDEX), ("b", UPDATE))
    later = alone(lanes, "a")
    assert taken(lanes) == [on_a, on_b]

    lanes.settle(on_a, Outcome.UPDATED)

    assert taken(lanes) == [later]


def test_given_two_jobs_on_two_documents_in_opposite_order_then_both_end() -> None:
    lanes = Lanes()
    first = job(lanes, ("a", UPDATE), ("b", UPDATE))
    second = job(lanes, ("b", UPDATE), ("a", UPDATE))
    assert taken(lanes) == first

    lanes.settle(first[1], Outcome.UPDATED)
    assert taken(lanes) == []
    lanes.settle(first[0], Outcome.UPDATED)

    assert set(taken(lanes)) == set(second)
    for one in second:
        lanes.settle(one, Outcome.UPDATED)
    assert lanes.unsettled == 0


def test_given_a_part_that_another_job_has_overtaken_then_its_job_is_settled_with_it() -> None:
    lanes = Lanes()
    on_a, on_b = job(lanes, ("a", UPDATE), ("b", INDEX))
    over_b, later = alone(lanes, "b", INDEX), alone(lanes, "a")
    assert taken(lanes) == [on_a, over_b]

    lanes.settle(on_a, Outcome.UPDATED)
    assert taken(lanes) == []
    assert lanes.settle(over_b, Outcome.UPDATED) == [on_b]

    assert taken(lanes) == [later]
