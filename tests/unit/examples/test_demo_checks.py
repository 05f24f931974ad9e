"""Each check lets right figures pass, and names both figures where they differ."""

import pytest

from examples.demo.checks import (
    Receipt,
    check_acknowledged,
    check_content,
    check_outcomes,
    check_queue,
    check_reports,
)
from examples.demo.errors import DoesNotAddUp
from jobs import Outcome, Report
from jobs.overview import Overview, WorkerSeen

RECEIPTS = [Receipt("job-1", "a"), Receipt("job-2", "b")]
REPORTS = {
    "job-1": Report(outcome=Outcome.CREATED, id="a"),
    "job-2": Report(outcome=Outcome.UPDATED, id="b"),
}


def an_overview(waiting: int = 0, claimed: int = 0, jobs: int = 3) -> Overview:
    worker = WorkerSeen(id="w", alive=True, claimed=claimed, told={})
    return Overview("q", waiting, 0, (worker,), {"jobs": jobs}, ())


def test_right_figures_pass() -> None:
    check_queue(an_overview(), jobs=3)
    check_acknowledged(RECEIPTS, acknowledged=2, sent=2)
    check_reports(RECEIPTS, REPORTS)
    check_outcomes(REPORTS.values(), {"created": 1, "updated": 1})
    check_content({"a": {"x": 1}}, {"a": {"x": 1}})


def test_fewer_acknowledged_than_sent() -> None:
    with pytest.raises(DoesNotAddUp, match="3 jobs were sent, 2 acknowledged"):
        check_acknowledged(RECEIPTS, acknowledged=2, sent=3)


def test_two_jobs_with_one_id() -> None:
    with pytest.raises(DoesNotAddUp, match="1 different job ids"):
        check_acknowledged([RECEIPTS[0], RECEIPTS[0]], acknowledged=2, sent=2)


def test_a_job_without_report() -> None:
    with pytest.raises(DoesNotAddUp, match=r"1 of 2 jobs have no report: \(job-2\)"):
        check_reports(RECEIPTS, {"job-1": REPORTS["job-1"]})


def test_a_report_of_another_document() -> None:
    with pytest.raises(DoesNotAddUp, match=r"1 reports speak of another document: \(job-1\)"):
        check_reports(RECEIPTS, REPORTS | {"job-1": REPORTS["job-2"]})


def test_other_outcomes() -> None:
    with pytest.raises(DoesNotAddUp, match=r"expected the outcomes \{'created': 2\}, got \{'created': 1"):
        check_outcomes(REPORTS.values(), {"created": 2})


@pytest.mark.parametrize(
    ("overview", "figures"),
    [
        (an_overview(waiting=1), "1 still wait and 0 are held; 3 were counted"),
        (an_overview(claimed=2), "0 still wait and 2 are held; 3 were counted"),
        (an_overview(jobs=4), "0 still wait and 0 are held; 4 were counted"),
    ],
)
def test_a_queue_that_is_not_done_or_did_a_job_twice(overview: Overview, figures: str) -> None:
    with pytest.raises(DoesNotAddUp, match=figures):
        check_queue(overview, jobs=3)


def test_content_names_what_is_lost_too_many_and_changed() -> None:
    stored = {"same": {}, "extra": {}, "changed": {"x": 1}}
    expected = {"same": {}, "lost": {}, "changed": {"x": 2}}
    with pytest.raises(DoesNotAddUp) as caught:
        check_content(stored, expected)
    assert str(caught.value) == (
        "the index holds 3 documents, expected 3: 1 lost (lost), 1 too many (extra), "
        "1 with another content (changed)"
    )


def test_many_ids_are_cut_short() -> None:
    with pytest.raises(DoesNotAddUp, match=r"9 lost \(0, 1, 2, 3, 4, \.\.\.\)"):
        check_content({}, {str(n): {} for n in range(9)})
