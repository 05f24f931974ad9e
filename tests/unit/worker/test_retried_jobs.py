"""What a retried job says of itself, under both kinds of worker. Anybody can write there: it is checked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jobs import DeleteDocument, JobFailed, Outcome, Rejection, Report
from jobs.report import refusal
from worker.function_runner import _naming
from worker.functions import _read_write, deserialize_for_arq
from worker.intake import NOT_RETRIED, Call, Refused, Retried, read_call, read_write

MOST = 1000
DELETE: dict[str, Any] = {"index": "i", "id": "1"}


def stored(**members: Any) -> bytes:
    call = {"f": "delete", "t": None, "a": [], "et": 1, "k": DELETE} | members
    return b"P1 5 key\n" + json.dumps(call).encode()


def refusal_of(raw: bytes) -> Rejection:
    with pytest.raises(Refused) as refused:
        read_call(raw, MOST)
    (rejection,) = refused.value.report.rejected
    return rejection


def call(name: str, arguments: dict[str, Any], retried: Retried, keys: tuple[str, ...] = ("key",)) -> Call:
    return Call(name, [], arguments, 1, None, 5, keys, retried)


@pytest.mark.parametrize(
    ("members", "retried"),
    [
        ({}, NOT_RETRIED),
        ({"retry_of": None, "keep": None, "positions": None}, NOT_RETRIED),
        ({"retry_of": "old"}, Retried("old")),
        ({"retry_of": "old", "keep": False}, Retried("old")),
        ({"retry_of": "old", "keep": True}, Retried("old", keep=True)),
        ({"retry_of": "", "keep": True, "positions": [0, 2, 7]}, Retried("", keep=True, positions=(0, 2, 7))),
        ({"keep": True, "positions": [2**31 - 1]}, Retried(None, keep=True, positions=(2**31 - 1,))),
    ],
)
def test_given_a_retried_job_then_what_it_says_of_itself_is_read(
    members: dict[str, Any], retried: Retried
) -> None:
    assert read_call(stored(**members), MOST).retried == retried


@pytest.mark.parametrize("members", [{"retry_of": 7}, {"retry_of": ["old"]}, {"keep": 1}, {"keep": "true"}])
def test_given_a_retry_of_that_is_no_text_or_a_keep_that_is_no_truth_then_it_is_unreadable(
    members: dict[str, Any],
) -> None:
    assert refusal_of(stored(**members)) == Rejection(
        "unreadable_job", "retry_of has to be text, keep true or false"
    )


@pytest.mark.parametrize(
    "positions", [3, "3", {"0": 1}, [True], [1.0], ["1"], [-1], [2**31], [10**30], [1, 1], [2, 1], [None]]
)
def test_given_positions_that_are_no_places_in_order_then_it_is_unreadable(positions: Any) -> None:
    refused = refusal_of(stored(keep=True, positions=positions))

    assert refused.type == "unreadable_job"
    assert "positions have to be whole numbers from 0 on" in refused.reason


@pytest.mark.parametrize("keep", [None, False])
def test_given_positions_without_an_old_number_then_it_is_unreadable(keep: bool | None) -> None:
    """They would reach beyond the numbers that the job was given, into those of others."""
    assert refusal_of(stored(keep=keep, positions=[0])).type == "unreadable_job"


@pytest.mark.parametrize(
    "members",
    [{"keep": 1}, {"et": -1}, {"a": ["i", "1"]}, {"f": None}, {"positions": [1]}],
)
def test_given_a_retried_job_that_is_refused_then_its_report_names_the_dead_letter(
    members: dict[str, Any],
) -> None:
    with pytest.raises(Refused) as refused:
        read_call(stored(retry_of="old", **members), MOST)

    assert refused.value.report.retry_of == "old"
    assert refused.value.report.failed


@pytest.mark.parametrize("positions", [(), (0,), (0, 1, 2)])
def test_given_more_or_fewer_positions_than_actions_then_it_is_unreadable(positions: tuple[int, ...]) -> None:
    actions = [{"op": "delete", "id": "1"}, {"op": "delete", "id": "2"}]
    kept = Retried("old", keep=True, positions=positions)

    with pytest.raises(Refused, match=f"{len(positions)} positions for 2 actions"):
        read_write(call("bulk", {"index": "i", "actions": actions}, kept, ("a", "b")))


@pytest.mark.parametrize("name", ["index", "bulk"])
def test_given_a_create_that_would_keep_its_number_then_it_is_refused(name: str) -> None:
    create = {"id": "1", "document": {}, "create": True}
    single = {"index": "i", **create}
    arguments = single if name == "index" else {"index": "i", "actions": [{"op": "index", **create}]}

    with pytest.raises(Refused, match="a create needs that the document is not there"):
        read_write(call(name, arguments, Retried("old", keep=True)))
    read_write(call(name, arguments, Retried("old")))


@pytest.mark.parametrize("result", [Report(outcome=Outcome.CREATED), Report(details={"index": "i-2"})])
def test_given_a_function_that_answers_with_a_report_then_it_names_the_dead_letter(result: Report) -> None:
    named = _naming(result, "old")

    assert named.retry_of == "old"
    assert named.to_wire() == result.to_wire() | {"retry_of": "old"}


@pytest.mark.parametrize("error", [JobFailed(refusal("ValueError", "no\\ud800")), ValueError("no\ud800")])
def test_given_a_function_that_raises_then_what_is_read_as_a_report_names_the_dead_letter(
    error: Exception,
) -> None:
    named = _naming(error, "old")

    assert named.report.retry_of == "old"
    assert named.report.rejected == refusal("ValueError", "no\\ud800").rejected


@pytest.mark.parametrize("result", [None, {"outcome": "created"}, "text", asyncio.CancelledError()])
def test_given_anything_else_then_it_stays_what_the_function_has_answered(result: Any) -> None:
    assert _naming(result, "old") is result


def test_given_arqs_own_worker_then_a_retried_write_says_so_there_too() -> None:
    members = deserialize_for_arq(stored(retry_of="old", keep=True, positions=[3]))

    assert _read_write("delete", members["k"]) == (
        DeleteDocument(**DELETE),
        Retried("old", keep=True, positions=(3,)),
    )


def test_given_arqs_own_worker_then_other_jobs_are_as_they_were() -> None:
    assert deserialize_for_arq(stored())["k"] == DELETE
    assert _read_write("delete", DELETE) == (DeleteDocument(**DELETE), NOT_RETRIED)
    assert deserialize_for_arq(stored(f="send_mail", retry_of="old"))["k"] == DELETE
    assert deserialize_for_arq(stored(k=[], retry_of="old"))["k"] == []


@pytest.mark.parametrize(
    "wrong",
    [{"keep": 1}, {"keep": True, "positions": [0, 1]}, {"k": {"index": "i"}}, {"k": DELETE | {"x": 1}}],
)
def test_given_arqs_own_worker_then_a_refused_retry_names_the_dead_letter_there_too(
    wrong: dict[str, Any],
) -> None:
    members = deserialize_for_arq(stored(retry_of="old", **wrong))

    with pytest.raises(JobFailed) as failed:
        _read_write("delete", members["k"])
    assert failed.value.report.retry_of == "old"


@pytest.mark.parametrize("value", [7, "old", None, {"retry_of": 7}])
def test_given_arqs_own_worker_then_an_argument_of_that_name_is_checked_like_any_other(value: Any) -> None:
    (name,) = deserialize_for_arq(stored(retry_of="old"))["k"].keys() - DELETE.keys()

    with pytest.raises(JobFailed) as failed:
        _read_write("delete", DELETE | {name: value})
    assert failed.value.report.rejected[0].type in ("invalid_job", "unreadable_job")
