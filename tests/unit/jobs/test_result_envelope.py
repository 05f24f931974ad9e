"""A result as it is stored: without the job's arguments, and with any exception as a report."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jobs import JobFailed, Outcome, Rejection, Report, UnreadableJob, deserialize, serialize
from jobs.envelope import HEADER_MARK
from jobs.handle import read_report, read_success
from jobs.report import refusal

SUCCESS = Report(
    outcome=Outcome.CREATED, index="products", id="42", version=1_024, seq_no=0, attempts=1, batch="b1"
)
FAILURE = Report(
    outcome=Outcome.REJECTED, rejected=(Rejection("mapper_parsing_exception", "bad price", "products", "42"),)
)


def stored(result: Any, *, success: bool) -> bytes:
    """As arq's serialize_result hands it over."""
    return serialize(
        {
            "t": 1,
            "f": "index",
            "a": ("argument",),
            "k": {"document": {"name": "Tap"}},
            "et": 1,
            "s": success,
            "r": result,
            "st": 2,
            "ft": 3,
            "q": "arq:queue",
            "id": "job",
        }
    )


def test_the_document_is_not_stored_again() -> None:
    members = json.loads(stored(SUCCESS, success=True))

    assert (members["a"], members["k"]) == ([], {})
    assert members["f"] == "index"
    assert members["r"] == SUCCESS.to_wire()


def test_a_report_of_success_comes_back() -> None:
    raw = stored(SUCCESS, success=True)

    assert read_success(raw) == read_report(raw) == SUCCESS


def test_a_failed_job_comes_back_as_the_same_error() -> None:
    raw = stored(JobFailed(FAILURE), success=False)

    assert deserialize(raw)["r"] == JobFailed(FAILURE)
    assert read_report(raw) == FAILURE
    with pytest.raises(JobFailed, match="products/42 mapper_parsing_exception: bad price") as caught:
        read_success(raw)
    assert caught.value.report == FAILURE


def test_a_cancelled_job_comes_back_as_cancelled() -> None:
    raw = stored(asyncio.CancelledError(), success=False)

    assert isinstance(deserialize(raw)["r"], asyncio.CancelledError)
    assert read_report(raw) == refusal("cancelled", "the job was aborted")
    with pytest.raises(asyncio.CancelledError):
        read_success(raw)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad value"),
        KeyError("name"),
        TimeoutError(),
        OSError(5, "broken"),
        ValueError("half \ud800"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("two", [ValueError("1"), TypeError("2")]),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_exception_comes_back_as_a_failed_job_that_names_it(error: BaseException) -> None:
    raw = stored(error, success=False)

    with pytest.raises(JobFailed) as caught:
        read_success(raw)
    (rejection,) = caught.value.report.rejected
    assert rejection.type == type(error).__name__
    assert rejection.reason == str(error).encode("utf-8", "backslashreplace").decode()
    assert read_report(raw) == caught.value.report


@pytest.mark.parametrize(
    "result",
    [None, 7, "text", [1, 2], {"any": "thing"}, {"outcome": "sunk"}, {"rejected": 3}, {"error": "none"}],
)
def test_the_answer_of_another_teams_function_is_kept_in_the_details(result: Any) -> None:
    raw = stored(result, success=True)

    assert deserialize(raw)["r"] == result
    assert read_success(raw) == read_report(raw) == Report(details={"result": result})


@pytest.mark.parametrize(
    "result",
    ["text", None, {"report": {"outcome": "sunk"}}, {"error": "failed", "report": 7}, {"error": "x"}],
)
def test_a_failure_in_an_unknown_form_is_a_failed_job_all_the_same(result: Any) -> None:
    raw = json.dumps({"s": False, "r": result}).encode()

    with pytest.raises(JobFailed):
        read_success(raw)
    assert read_report(raw).failed


@pytest.mark.parametrize("raw", [b"", b"\x80\x05.", b"[]", HEADER_MARK + b"x\n{}"])
def test_what_is_no_result_is_unreadable(raw: bytes) -> None:
    for read in (read_success, read_report):
        with pytest.raises(UnreadableJob):
            read(raw)


def test_a_success_that_holds_rejections_is_a_failed_job() -> None:
    with pytest.raises(JobFailed):
        read_success(stored(FAILURE, success=True))
