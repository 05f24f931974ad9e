"""The jobs that the harvest becomes do to an index what the expectation says, told apart from it."""

import itertools
from typing import Any

from examples.stdlib_docs import Document
from examples.stdlib_jobs import (
    bad_field_job,
    change_jobs,
    expected_after_changes,
    expected_after_indexing,
    expected_after_meanwhile,
    index_jobs,
    meanwhile_jobs,
)
from jobs import DeleteDocument, IndexDocument, UpdateDocument


def a_harvest(count: int = 250) -> list[Document]:
    return [
        {
            "qualified_name": f"module.name{n}",
            "name": f"name{n}",
            "doc": f"See name{n // 20 * 20}.",
            "lines": 1,
        }
        for n in range(count)
    ]


def applied(jobs: list[IndexDocument | UpdateDocument | DeleteDocument]) -> dict[str, Any]:
    """What the jobs make of an empty index."""
    index: dict[str, Any] = {}
    for job in jobs:
        match job:
            case IndexDocument():
                index[job.id] = dict(job.document)
            case UpdateDocument():
                index[job.id] |= job.doc or {}
            case DeleteDocument():
                del index[job.id]
    return index


def test_index_jobs_make_what_is_expected() -> None:
    documents = a_harvest()
    assert applied(list(index_jobs(documents, "stdlib"))) == expected_after_indexing(documents)


def test_changes_make_what_is_expected() -> None:
    documents = a_harvest()
    jobs = [*index_jobs(documents, "stdlib"), *change_jobs(documents, "stdlib")]
    assert applied(jobs) == expected_after_changes(documents)


def test_each_twentieth_says_how_many_docstrings_name_it_and_each_fiftieth_is_gone() -> None:
    expected = expected_after_changes(a_harvest())
    assert expected["module.name20"]["mentions"] == 20
    assert "mentions" not in expected["module.name21"]
    assert [n for n in range(250) if f"module.name{n}" not in expected] == [0, 50, 100, 150, 200]


def test_what_is_written_meanwhile_makes_what_is_expected() -> None:
    documents = a_harvest()
    before = expected_after_changes(documents)
    for count in (0, 7, 999):
        jobs = list(itertools.islice(meanwhile_jobs(documents, "stdlib"), count))
        made = applied([*index_jobs(documents, "stdlib"), *change_jobs(documents, "stdlib"), *jobs])
        assert made == expected_after_meanwhile(before, documents, count)
    assert before == expected_after_changes(documents)


def test_the_expectation_does_not_change_the_harvest() -> None:
    documents = a_harvest()
    expected_after_changes(documents)
    assert documents == a_harvest()


def test_the_bad_document_has_a_text_where_others_have_a_number() -> None:
    job = bad_field_job("stdlib")
    assert isinstance(job.document["lines"], str)
    assert job.id not in expected_after_changes(a_harvest())
