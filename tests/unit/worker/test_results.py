"""Report to result: the bytes that arq stores are read back by our own envelope."""

import asyncio

import orjson

from jobs import JobFailed, Outcome, Rejection, Report, deserialize
from worker.results import Ran, aborted_result, result_of

RAN = Ran(id="job", name="index", queue="arq:queue", enqueued_ms=1, started_ms=2, finished_ms=3)


def test_given_a_success_then_arqs_members_and_the_report_are_stored_without_arguments() -> None:
    report = Report(outcome=Outcome.CREATED, index="i", id="1", version=2**62, attempts=1)

    members = deserialize(result_of(RAN, report))

    assert members | {"r": None} == {
        "t": 1,
        "f": "index",
        "a": [],
        "k": {},
        "et": 1,
        "s": True,
        "r": None,
        "st": 2,
        "ft": 3,
        "q": "arq:queue",
        "id": "job",
    }
    assert Report.from_wire(members["r"]) == report


def test_given_a_failure_then_it_is_read_back_as_an_error_with_the_report() -> None:
    report = Report(outcome=Outcome.REJECTED, rejected=(Rejection("type", "reason", "i", "ü", 3),))

    members = deserialize(result_of(RAN, report))

    assert members["s"] is False
    assert members["r"] == JobFailed(report)


def test_given_an_abort_then_it_is_read_back_as_a_cancellation() -> None:
    members = deserialize(aborted_result(RAN))

    assert members["s"] is False
    assert isinstance(members["r"], asyncio.CancelledError)


def test_given_a_name_of_any_text_then_the_result_is_json() -> None:
    ran = Ran('a\\xff"\n', "ünknown", "q", 1, 2, 3)

    members = orjson.loads(result_of(ran, Report()))

    assert (members["id"], members["f"]) == ('a\\xff"\n', "ünknown")
