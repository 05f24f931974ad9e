"""One job on its way: its report comes after the last answer, in the order of its actions."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobs import BulkWrite, DeleteDocument, Outcome, Report
from tests.unit.worker.batching import MakeBatcher
from worker.actions import actions_of
from worker.answers import Settled, rejected
from worker.claims import Claimed
from worker.delivery import Delivery
from worker.reports import Result

CLAIMED = Claimed(b"job", 5.0, b"raw", b"ka kb kc", 0)


def collect(reports: list[Report]) -> Callable[[Report, Sequence[Result]], None]:
    return lambda report, _: reports.append(report)


def bulk(*ids: str) -> BulkWrite:
    return BulkWrite(index="i", actions=tuple(DeleteDocument(index="i", id=id) for id in ids))


def test_given_answers_in_any_order_when_the_last_comes_then_there_is_one_report_in_the_jobs_order() -> None:
    reports: list[Report] = []
    delivery = Delivery(
        actions_of(bulk("a", "b", "c"), 10, ["ka", "kb", "kc"]),
        collect(reports),
        bulk=True,
    )
    a, b, c = delivery.entries

    delivery.settled(c, rejected("last", ""), "x-2")
    delivery.settled(a, rejected("first", ""), "x-1")
    assert reports == []
    delivery.settled(b, Settled(Outcome.DELETED), "x-3")

    (report,) = reports
    assert [(r.position, r.id, r.type) for r in report.rejected] == [(0, "a", "first"), (2, "c", "last")]
    assert report.counts == {"rejected": 2, "deleted": 1}
    assert report.batch == "x-2"


def test_given_a_job_of_one_action_then_its_report_has_that_outcome_and_its_attempts() -> None:
    reports: list[Report] = []
    delivery = Delivery(
        actions_of(DeleteDocument(index="i", id="a"), 10, ["k"]),
        collect(reports),
        bulk=False,
    )
    (entry,) = delivery.entries
    entry.attempts = 3

    delivery.settled(entry, Settled(Outcome.MISSING, version=1, seq_no=2), "x-1")

    (report,) = reports
    assert (report.outcome, report.id, report.attempts, report.batch) == (Outcome.MISSING, "a", 3, "x-1")


def test_given_a_number_then_waited_runs_from_its_moment_and_never_below_zero() -> None:
    def waited_ms(seconds_ago: float) -> float:
        reports: list[Any] = []
        number = int((time.time() - seconds_ago) * 1_000_000)
        delivery = Delivery(
            actions_of(DeleteDocument(index="i", id="a"), number, ["k"]),
            collect(reports),
            bulk=False,
        )
        delivery.settled(delivery.entries[0], Settled(Outcome.DELETED), "x")
        return float(reports[0].waited_ms)

    assert 60_000 <= waited_ms(60) < 90_000
    assert waited_ms(-60) == 0.0


def test_given_the_time_of_the_enqueue_then_waited_runs_from_there_and_not_from_an_old_number() -> None:
    reports: list[Report] = []
    old, enqueued_ms = 10, int((time.time() - 60) * 1000)
    actions = actions_of(DeleteDocument(index="i", id="a"), old, ["k"])

    delivery = Delivery(actions, collect(reports), bulk=False, enqueued_ms=enqueued_ms)
    delivery.settled(delivery.entries[0], Settled(Outcome.DELETED), "x")

    assert 60_000 <= reports[0].waited_ms < 90_000


@pytest.mark.parametrize(
    ("ids", "claimed", "parkable"), [("a", CLAIMED, True), ("a", None, False), ("ab", CLAIMED, False)]
)
def test_given_a_job_of_several_actions_or_of_nobody_then_it_can_not_be_given_back(
    ids: str, claimed: Claimed | None, parkable: bool
) -> None:
    actions = actions_of(bulk(*ids), 10, list(ids))

    delivery = Delivery(actions, print, bulk=True, claimed=claimed)

    assert {entry.parkable for entry in delivery.entries} == {parkable}


def test_given_a_job_of_several_actions_then_it_is_given_back_once_with_the_last_of_them() -> None:
    delivery = Delivery(actions_of(bulk("a", "b"), 10, ["a", "b"]), print, bulk=True, claimed=CLAIMED)
    given_back: list[Claimed] = []

    delivery.withdrawn(given_back.append)
    assert given_back == []
    delivery.withdrawn(given_back.append)

    assert given_back == [CLAIMED]


async def test_given_a_bulk_that_is_written_in_part_when_its_session_ends_then_it_has_no_report(
    make_batcher: MakeBatcher, cluster: Any
) -> None:
    reports: list[Report] = []
    batcher = make_batcher(max_actions=2, max_in_flight=1)
    delivery = Delivery(
        actions_of(bulk("a", "b", "c"), 10, ["ka", "kb", "kc"]),
        collect(reports),
        bulk=True,
        claimed=CLAIMED,
    )
    batcher.add(delivery.entries)
    batcher.pump()
    (await cluster.next()).answer(Settled(Outcome.DELETED))
    last = await cluster.next()

    await batcher.drain(0)

    assert (last.ids, last.answered.cancelled()) == (["c"], True)
    assert (reports, batcher.unsettled) == ([], 1)
