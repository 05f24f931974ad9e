"""The checker itself: it finds each kind of damage, and lets pass what is right."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import Outcome, Rejection, Report
from tests.faults.checker import Facts, Problem, check
from tests.faults.ledger import Ledger, State, Submit
from tests.faults.operations import Kind, Operation

WRITE = Operation(1, "d", Kind.INDEX)
FIRST = Operation(2, "d", Kind.UPDATE)
SECOND = Operation(3, "d", Kind.UPDATE)
RIGHT = {"written": 1, "last": 3, "update2": 2, "update3": 3}
TOLD = [Outcome.CREATED, Outcome.UPDATED, Outcome.UPDATED]


def ledger(*submits: tuple[Operation, State]) -> Ledger:
    book = Ledger()
    for operation, state in submits:
        job_id = f"job{operation.number}" if state is State.OK else None
        book.enter(Submit((operation,), state, job_id))
    return book


def reports(*outcomes: Outcome | None) -> dict[str, Report]:
    """Reports of the jobs 1, 2, …, with versions that rise; None: no report."""
    told = enumerate(outcomes, 1)
    return {f"job{n}": Report(outcome, id="d", version=n) for n, outcome in told if outcome is not None}


def problems(
    book: Ledger,
    told: dict[str, Report],
    documents: dict[str, Any],
    *,
    ended: int | None = None,
    leftovers: tuple[str, ...] = (),
    repeats: bool = True,
) -> list[Problem]:
    facts = Facts(told, documents, len(told) if ended is None else ended, leftovers)
    return [finding.problem for finding in check(book, facts, repeats=repeats)]


THREE = ((WRITE, State.OK), (FIRST, State.OK), (SECOND, State.OK))


def test_what_is_right_passes() -> None:
    assert problems(ledger(*THREE), reports(*TOLD), {"d": RIGHT}, repeats=False) == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"d": {"written": 1, "last": 3, "update3": 3}}, Problem.LOST),  # an update is missing
        ({"d": RIGHT | {"last": 2}}, Problem.LOST),  # the later of two was overwritten
        ({}, Problem.LOST),
        ({"d": RIGHT, "other": {"written": 1}}, Problem.UNEXPECTED),
        ({"d": RIGHT | {"update9": 9}}, Problem.UNEXPECTED),
    ],
)
def test_a_document_that_is_wrong(found: dict[str, Any], problem: Problem) -> None:
    assert problems(ledger(*THREE), reports(*TOLD), found) == [problem]


def test_what_should_have_been_overwritten_is_out_of_order() -> None:
    book = ledger((Operation(1, "d", Kind.INDEX), State.OK), (Operation(2, "d", Kind.INDEX), State.OK))

    assert problems(book, reports(*TOLD[:2]), {"d": {"written": 1}}) == [Problem.OUT_OF_ORDER]


def test_what_was_deleted_and_is_back_is_out_of_order() -> None:
    book = ledger((WRITE, State.OK), (Operation(2, "d", Kind.DELETE), State.OK))

    told = reports(Outcome.CREATED, Outcome.DELETED)

    assert problems(book, told, {"d": {"written": 1}}) == [Problem.OUT_OF_ORDER]


@pytest.mark.parametrize("applied", [True, False])
def test_a_submit_of_unknown_fate_may_be_there_or_not(applied: bool) -> None:
    book = ledger((WRITE, State.OK), (FIRST, State.UNKNOWN), (SECOND, State.OK))
    told = reports(Outcome.CREATED, Outcome.UPDATED if applied else None, Outcome.UPDATED)
    found = RIGHT if applied else {"written": 1, "last": 3, "update3": 3}

    assert problems(book, told, {"d": found}) == []


def test_a_report_tells_whether_a_submit_of_unknown_fate_was_applied() -> None:
    # Given a delete that may have been applied before an update, whose report says that it was not
    delete = Operation(2, "d", Kind.DELETE)
    book = ledger((WRITE, State.OK), (delete, State.UNKNOWN), (SECOND, State.OK))
    told = reports(Outcome.CREATED, None, Outcome.UPDATED)

    # Then the document has to be there
    assert problems(book, told, {}) == [Problem.LOST]


def test_a_submit_that_was_refused_must_leave_no_trace() -> None:
    book = ledger((WRITE, State.OK), (FIRST, State.FAILED))

    found = {"d": {"written": 1, "last": 2, "update2": 2}}

    assert problems(book, reports(Outcome.CREATED), found) == [Problem.UNEXPECTED]


def test_a_job_without_a_report_is_lost() -> None:
    told = reports(Outcome.CREATED, None, Outcome.UPDATED)

    assert problems(ledger(*THREE), told, {"d": RIGHT}) == [Problem.LOST]


def test_a_report_of_a_job_that_nobody_submitted() -> None:
    assert problems(ledger(*THREE), reports(*TOLD, Outcome.UPDATED), {"d": RIGHT}) == [Problem.UNEXPECTED]


@pytest.mark.parametrize("ended", [2, 4])
def test_each_job_ends_once(ended: int) -> None:
    assert problems(ledger(*THREE), reports(*TOLD), {"d": RIGHT}, ended=ended) == [Problem.WRONG_REPORT]


@pytest.mark.parametrize("wrong", [Outcome.REJECTED, Outcome.DELETED, Outcome.MISSING])
def test_a_report_that_is_not_true(wrong: Outcome) -> None:
    told = reports(Outcome.CREATED, wrong, Outcome.UPDATED)

    assert problems(ledger(*THREE), told, {"d": RIGHT}) == [Problem.WRONG_REPORT]


def test_what_only_a_second_run_may_say() -> None:
    told = reports(Outcome.SUPERSEDED, Outcome.SUPERSEDED, Outcome.UNCHANGED)

    assert problems(ledger(*THREE), told, {"d": RIGHT}) == []
    assert problems(ledger(*THREE), told, {"d": RIGHT}, repeats=False) == [Problem.WRONG_REPORT] * 2


def test_the_last_operation_cannot_be_superseded() -> None:
    told = reports(Outcome.CREATED, Outcome.UPDATED, Outcome.SUPERSEDED)

    assert problems(ledger(*THREE), told, {"d": RIGHT}) == [Problem.WRONG_REPORT]


def test_versions_that_fall_are_out_of_order() -> None:
    told = reports(*TOLD)
    told["job2"] = Report(Outcome.UPDATED, id="d", version=9)

    assert problems(ledger(*THREE), told, {"d": RIGHT}) == [Problem.OUT_OF_ORDER]


def test_what_a_worker_left_behind() -> None:
    leftovers = ("penstock:arq:queue:claimed:w",)

    assert problems(ledger(*THREE), reports(*TOLD), {"d": RIGHT}, leftovers=leftovers) == [Problem.LEAKED]


def test_a_bulks_report_names_its_rejected_actions() -> None:
    create = Operation(2, "d", Kind.CREATE)
    book = Ledger()
    book.enter(Submit((WRITE, create), State.OK, "job1"))
    rejection = Rejection("version_conflict_engine_exception", "exists", position=1)
    right = Report(Outcome.REJECTED, counts={"created": 1, "rejected": 1}, rejected=(rejection,))
    silent = Report(None, counts={"created": 2})
    incomplete = Report(None, counts={"created": 1})

    assert problems(book, {"job1": right}, {"d": {"written": 1}}) == []
    assert problems(book, {"job1": silent}, {"d": {"written": 1}}) == [Problem.WRONG_REPORT]
    assert problems(book, {"job1": incomplete}, {"d": {"written": 1}}) == [Problem.WRONG_REPORT]
