"""The harvest of the standard library: what is in it, what never, and that it is the same each time."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from examples.stdlib_docs import Document

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-of-this-environment"


def run_harvest(hash_seed: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.stdlib_docs"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "SOME_PASSWORD": SECRET, "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def output() -> str:
    completed = run_harvest("1")
    assert completed.stderr == "", "an import wrote to standard error"
    return completed.stdout


@pytest.fixture(scope="module")
def documents(output: str) -> dict[str, Document]:
    """By id. Every line is JSON: nothing that an import prints gets in between."""
    lines = [json.loads(line) for line in output.splitlines()]
    by_id = {document["qualified_name"]: document for document in lines}
    assert len(by_id) == len(lines), "an id was given to two documents"
    return by_id


def test_there_are_ten_thousand_documents_of_every_kind(documents: dict[str, Document]) -> None:
    kinds = Counter(document["kind"] for document in documents.values())
    assert len(documents) >= 10_000
    assert kinds.keys() == {"module", "class", "function", "method", "property"}
    assert sum(bool(document["doc"]) for document in documents.values()) > len(documents) / 2


def test_ids_fit_elasticsearch(documents: dict[str, Document]) -> None:
    assert max(len(id.encode()) for id in documents) <= 512


def test_a_function_with_all_its_fields(documents: dict[str, Document]) -> None:
    document = documents["tempfile.gettempdir"]
    assert document == {
        "qualified_name": "tempfile.gettempdir",
        "name": "gettempdir",
        "module": "tempfile",
        "kind": "function",
        "signature": "()",
        "summary": "Returns tempfile.tempdir as str.",
        "doc": "Returns tempfile.tempdir as str.",
        "lines": 1,
    }


@pytest.mark.parametrize(
    ("id", "kind"),
    [
        ("tempfile", "module"),
        ("tempfile.TemporaryDirectory", "class"),
        ("tempfile.TemporaryDirectory.cleanup", "method"),
        ("datetime.datetime.fromisoformat", "method"),
        ("builtins.str.join", "method"),
        ("email.message.Message", "class"),
        ("uuid.UUID.hex", "property"),
    ],
)
def test_what_a_reader_would_look_for_is_there(documents: dict[str, Document], id: str, kind: str) -> None:
    assert documents[id]["kind"] == kind
    assert documents[id]["module"] == id[: len(documents[id]["module"])]


@pytest.mark.parametrize(
    ("home", "elsewhere"),
    [
        ("io.FileIO", "_io.FileIO"),  # defined in a private module: documented where it is shown
        ("os.listdir", "posix.listdir"),
        ("posixpath.join", "os.path.join"),
        ("concurrent.futures.thread.ThreadPoolExecutor", "concurrent.futures.ThreadPoolExecutor"),
        ("unittest.case.TestCase.assertEqual", "unittest.TestCase.assertEqual"),
    ],
)
def test_one_document_for_what_has_two_names(
    documents: dict[str, Document], home: str, elsewhere: str
) -> None:
    assert home in documents
    assert elsewhere not in documents


def test_an_override_without_docstring_has_the_one_it_overrides(documents: dict[str, Document]) -> None:
    assert documents["json.encoder.JSONEncoder.default"]["doc"]
    assert documents["asyncio.base_events.BaseEventLoop.run_forever"]["doc"]
    assert documents["queue.LifoQueue"]["doc"] != documents["queue.Queue"]["doc"]


def test_nothing_that_acts_on_import_and_no_tests(documents: dict[str, Document]) -> None:
    parts = {part for document in documents.values() for part in document["module"].split(".")}
    assert not parts & {"antigravity", "this", "idlelib", "turtledemo", "test", "tests", "__main__"}
    assert not [part for part in parts if part.startswith("_")]


def test_no_value_of_the_environment_and_no_address(output: str, documents: dict[str, Document]) -> None:
    # `cgi.parse(environ=os.environ)`, while there is a cgi, would carry every secret into the index.
    assert SECRET not in output
    assert not [id for id, document in documents.items() if " at 0x" in document["signature"]]


def test_the_same_documents_each_time(output: str) -> None:
    assert run_harvest("2").stdout == output
