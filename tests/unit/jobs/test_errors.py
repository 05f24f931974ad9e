"""The errors: one tree, built-in kinds beside it, and a way through pickle and copy for other processes."""

from __future__ import annotations

import copy
import pickle

import pytest

import jobs
from jobs import InvalidJob, JobFailed, JobNotFound, Outcome, PenstockError, Rejection, Report, ReportTimeout

REPORT = Report(
    outcome=Outcome.REJECTED,
    index="products",
    id="42",
    rejected=(Rejection("document_parsing_exception", "failed to parse [price]", "products", "42"),),
)
ERRORS = [
    InvalidJob("document.price", 1.5, "wrong"),
    JobFailed(REPORT),
    jobs.QueueFull("why", 900, 1000),
    *(
        kind("why")
        for kind in (
            jobs.QueueFull,
            jobs.QueueUnavailable,
            jobs.UnreadableJob,
            JobNotFound,
            jobs.CancelRefused,
            ReportTimeout,
        )
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_is_a_penstock_error(error: PenstockError) -> None:
    assert isinstance(error, PenstockError)


def test_the_list_above_is_complete() -> None:
    public = {getattr(jobs, name) for name in jobs.__all__}
    classes = {kind for kind in public if isinstance(kind, type) and issubclass(kind, PenstockError)}

    assert classes == {PenstockError, *map(type, ERRORS)}


@pytest.mark.parametrize(
    ("error", "built_in"),
    [(InvalidJob, ValueError), (ReportTimeout, TimeoutError), (JobNotFound, LookupError)],
)
def test_an_error_is_also_of_the_kind_that_python_has_for_it(error: type, built_in: type) -> None:
    assert issubclass(error, built_in)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_a_process_pool(error: PenstockError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_a_failed_job_names_index_id_type_and_reason() -> None:
    assert str(JobFailed(REPORT)) == "products/42 document_parsing_exception: failed to parse [price]"


def test_failed_jobs_are_equal_by_their_reports() -> None:
    assert JobFailed(REPORT) == JobFailed(REPORT)
    assert JobFailed(REPORT) != JobFailed(Report())
    assert len({JobFailed(REPORT)}) == 1
