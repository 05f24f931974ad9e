"""Outcomes to report: one action, many actions, and what became of each."""

from collections.abc import Callable
from typing import Any

from jobs import Outcome, Rejection
from worker.actions import Action
from worker.answers import Settled, rejected
from worker.reports import Result, report_of

MakeAction = Callable[..., Action]
TIMES: dict[str, Any] = {"waited_ms": 1.5, "took_ms": 2.5}


def test_given_one_written_action_then_the_report_says_what_elasticsearch_said(
    make_action: MakeAction,
) -> None:
    result = Result(
        make_action(id="42"), Settled(Outcome.UPDATED, version=9, seq_no=3), attempts=2, batch="b-1"
    )

    report = report_of([result], bulk=False, **TIMES)

    assert report.to_wire() == {
        "outcome": "updated",
        "index": "i",
        "id": "42",
        "version": 9,
        "seq_no": 3,
        "attempts": 2,
        "batch": "b-1",
        "waited_ms": 1.5,
        "took_ms": 2.5,
    }
    assert not report.failed


def test_given_one_rejected_action_then_the_report_has_failed_and_names_it(make_action: MakeAction) -> None:
    result = Result(make_action(id="42"), rejected("some_exception", "why"), attempts=1, batch="b-1")

    report = report_of([result], bulk=False, **TIMES)

    assert report.failed
    assert report.outcome is Outcome.REJECTED
    assert report.rejected == (Rejection("some_exception", "why", "i", "42", 0),)


def test_given_a_bulk_then_its_outcomes_are_counted_and_every_rejection_keeps_its_place(
    make_action: MakeAction,
) -> None:
    settled = [
        Settled(Outcome.CREATED),
        rejected("a", "1"),
        Settled(Outcome.CREATED),
        Settled(Outcome.SUPERSEDED),
        rejected("b", "2"),
        Settled(Outcome.MISSING),
    ]
    results = [
        Result(make_action(id=f"d{n}"), one, attempts=7 - n, batch=f"b-{n}") for n, one in enumerate(settled)
    ]

    report = report_of(results, bulk=True, **TIMES)

    assert report.counts == {"created": 2, "rejected": 2, "superseded": 1, "missing": 1}
    assert [(r.position, r.id, r.type, r.reason) for r in report.rejected] == [
        (1, "d1", "a", "1"),
        (4, "d4", "b", "2"),
    ]
    assert (report.outcome, report.index, report.id) == (Outcome.REJECTED, "i", None)
    assert (report.attempts, report.batch) == (7, "b-5")


def test_given_a_bulk_in_which_all_went_well_then_it_has_counts_and_no_outcome(
    make_action: MakeAction,
) -> None:
    results = [Result(make_action(), Settled(Outcome.DELETED), attempts=1, batch="b")]

    report = report_of(results, bulk=True, **TIMES)

    assert (report.outcome, report.failed, report.counts) == (None, False, {"deleted": 1})


def test_given_a_rejection_without_type_and_reason_then_the_report_still_reads(
    make_action: MakeAction,
) -> None:
    results = [Result(make_action(), Settled(Outcome.REJECTED), attempts=1, batch="b")]

    (rejection,) = report_of(results, bulk=False, **TIMES).rejected

    assert (rejection.type, rejection.reason) == ("unknown", "")
