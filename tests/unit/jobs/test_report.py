"""Reports: their sentence, and their way onto the wire and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import Outcome, Rejection, Report
from jobs.report import refusal

TEXT = st.text(max_size=20)
MAYBE_TEXT = st.none() | TEXT
MAYBE_NUMBER = st.none() | st.integers(min_value=0, max_value=2**62)
MILLISECONDS = st.floats(min_value=0, max_value=1e12, allow_nan=False)
REJECTIONS = st.builds(
    Rejection, type=TEXT, reason=TEXT, index=MAYBE_TEXT, id=MAYBE_TEXT, position=st.integers(0, 10_000)
)
REPORTS = st.builds(
    Report,
    outcome=st.none() | st.sampled_from(Outcome),
    index=MAYBE_TEXT,
    id=MAYBE_TEXT,
    version=MAYBE_NUMBER,
    seq_no=MAYBE_NUMBER,
    attempts=st.integers(0, 100),
    batch=MAYBE_TEXT,
    waited_ms=MILLISECONDS,
    took_ms=MILLISECONDS,
    counts=st.dictionaries(st.sampled_from([str(outcome) for outcome in Outcome]), st.integers(1, 10_000)),
    rejected=st.lists(REJECTIONS, max_size=3).map(tuple),
    details=st.dictionaries(TEXT, st.integers() | TEXT | st.lists(st.integers(), max_size=3), max_size=3),
    retry_of=MAYBE_TEXT,
)


@given(REPORTS)
def test_a_report_comes_back_from_the_wire_as_it_was(report: Report) -> None:
    assert Report.from_wire(json.loads(json.dumps(report.to_wire()))) == report


@given(REPORTS)
def test_the_wire_form_has_no_empty_members(report: Report) -> None:
    assert not [name for name, value in report.to_wire().items() if value is None or value in ([], {})]


@pytest.mark.parametrize("wire", [{"outcome": "sunk"}, {"colour": 1}, {"rejected": [{}]}, {"rejected": 7}])
def test_what_is_no_report_is_refused(wire: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Report.from_wire(wire)


def test_the_outcomes_are_a_closed_set() -> None:
    assert {str(outcome) for outcome in Outcome} == {
        "created", "updated", "unchanged", "deleted", "missing", "superseded", "rejected",
    }  # fmt: skip


def test_a_success_has_no_sentence_of_failure() -> None:
    report = Report(outcome=Outcome.MISSING)

    assert not report.failed
    assert report.failure() == ""


def test_the_sentence_names_the_first_rejection_and_counts_the_rest() -> None:
    first, second = Rejection("type", "why", "products", "1"), Rejection("other", "x", "products", "2", 7)

    assert Report(rejected=(first,)).failure() == "products/1 type: why"
    assert Report(rejected=(first, second, second)).failure() == "products/1 type: why (and 2 more)"


def test_a_refusal_without_a_document_still_has_a_sentence() -> None:
    report = refusal("invalid_job", "no arguments")

    assert report.outcome is Outcome.REJECTED
    assert report.failure() == "invalid_job: no arguments"
