"""The log: JSON lines for machines, no traceback of an answer, arq's arguments never shown."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs import JobFailed
from jobs.report import refusal
from settings import load
from worker.logs import JsonFormatter, set_up_logging

NODE_POOL = "elastic_transport.node_pool"
Log = Callable[[], str]
OTHERS = ("arq", "elastic_transport", "elasticsearch", "asyncio")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    """What has been written to standard error; logging is as before afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in (*OTHERS, NODE_POOL)}
    written: list[str] = []

    def read() -> str:
        written.append(capsys.readouterr().err)
        return "".join(written)

    yield read
    root.handlers[:] = before
    root.setLevel(level)
    for name, one in levels.items():
        logging.getLogger(name).setLevel(one)


def lines(log: Log) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log().splitlines()]


def start(**values: str) -> None:
    set_up_logging(load({f"PENSTOCK_{name.upper()}": value for name, value in values.items()}))


def test_given_json_then_every_record_is_one_object_on_one_line(log: Log) -> None:
    start(log_format="json")

    logging.getLogger("penstock.x").warning("two\nlines and %s", "ü")

    (line,) = lines(log)
    assert line["time"].endswith("+00:00")
    assert isinstance(line["process"], int)
    assert line | {"time": "", "process": 0} == {
        "time": "",
        "level": "WARNING",
        "logger": "penstock.x",
        "process": 0,
        "message": "two\nlines and ü",
    }


def test_given_json_when_an_error_is_logged_then_its_traceback_is_a_member(log: Log) -> None:
    start(log_format="json")

    try:
        json.loads("no JSON")
    except ValueError:
        logging.getLogger("penstock.x").exception("failed")

    (line,) = lines(log)
    assert "JSONDecodeError: Expecting value" in line["traceback"]
    assert line["message"] == "failed"


def test_given_json_when_there_is_no_error_to_log_then_there_is_no_empty_one(log: Log) -> None:
    start(log_format="json")

    logging.getLogger("penstock.x").error("no error is under way", exc_info=True)

    assert lines(log)[0]["message"] == "no error is under way"


def test_given_half_a_surrogate_pair_then_the_line_is_written_all_the_same() -> None:
    record = logging.LogRecord("penstock", logging.INFO, "", 0, "id %s", ("\ud800",), None)

    assert json.loads(JsonFormatter().format(record))["level"] == "INFO"


def test_given_text_then_level_logger_and_message_are_on_the_line(log: Log) -> None:
    start()

    logging.getLogger("penstock.x").warning("hello")

    assert log().endswith(" penstock.x: hello\n")
    assert "WARNING" in log()


@pytest.mark.parametrize("form", ["text", "json"])
def test_given_a_job_that_failed_then_its_traceback_is_dropped(log: Log, form: str) -> None:
    start(log_format=form)
    failed = JobFailed(refusal("type", "secret"))

    for name in ("arq.worker", "penstock.x"):
        logging.getLogger(name).error("failed", exc_info=failed)
    assert log() == ""

    logging.getLogger("penstock.x").error("failed", exc_info=ValueError("shown"))
    assert "shown" in log()


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", ["WARNING"]), ("ERROR", []), ("INFO", ["WARNING"])])
def test_given_any_level_then_arq_says_only_its_warnings(log: Log, level: str, shown: list[str]) -> None:
    start(log_format="json", log_level=level)

    for name in OTHERS:
        logging.getLogger(name).info("arguments of a job")
        logging.getLogger(name).warning("warning")

    assert [line["level"] for line in lines(log)] == shown * len(OTHERS)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_given_a_node_that_fails_then_the_client_does_not_warn_of_every_try(log: Log, level: str) -> None:
    start(log_format="json", log_level=level)

    logging.getLogger(NODE_POOL).warning("Node has failed for 1 times in a row")
    logging.getLogger(NODE_POOL).error("something worse")

    assert [line["message"] for line in lines(log)] == ["something worse"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_given_a_level_then_our_own_lines_begin_there(log: Log, level: str) -> None:
    start(log_format="json", log_level=level)

    for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
        logging.getLogger("penstock.x").log(logging.getLevelName(name), name)

    assert lines(log)[0]["level"] == level
    assert lines(log)[-1]["level"] == "ERROR"
