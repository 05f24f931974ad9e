"""What a source answered becomes an index, a delete, or the refusal of one id."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from worker.actions import Action, ActionKind
from worker.records import BadRecord, found_in, write_of
from worker.registry import Record

MOST = 1000


@pytest.fixture
def load(make_action: Callable[..., Action]) -> Action:
    """A load of the id ``1``."""
    return make_action(ActionKind.LOAD, id="1", number=5, body=None, source="rows")


def read(load: Action, *answer: Any, asked: tuple[str, ...] = ("1",)) -> Action:
    return write_of(load, found_in(answer, asked), MOST)


def test_a_record_becomes_an_index_with_the_jobs_number(load: Action) -> None:
    write = read(load, Record("1", {"ü": [1, None, 2**70], "at": 1.5}, routing="r"))

    assert (write.kind, write.number, write.routing) == (ActionKind.INDEX, 5, "r")
    assert write.body == '{"ü":[1,null,1180591620717411303424],"at":1.5}'.encode()
    assert (write.index, write.id, write.key, write.source) == (load.index, "1", load.key, "rows")


def test_what_the_source_does_not_have_is_deleted(load: Action) -> None:
    left_out = read(load)
    said = read(load, Record("1", None, routing="r"))

    assert (left_out.kind, left_out.routing, left_out.body) == (ActionKind.DELETE, None, None)
    assert (said.kind, said.routing, said.body) == (ActionKind.DELETE, "r", None)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Record("1", [1]), "document: expected a dict, got list"),  # type: ignore[arg-type]
        (Record("1", {"a": {1, 2}}), "document: JSON can't hold it: Object of type set is not"),
        (Record("1", {"a": [{"b": math.nan}]}), "document.a.b: JSON can't hold nan"),
        (Record("1", {"a": {1: 2}}), "document.a: expected text as names, got int"),
        (
            Record("1", {"a": "x" * MOST}),
            f"document: it can have {MOST} bytes at the most, this one has 1008",
        ),
        (Record("1", {}, routing=7), "routing: expected text, got int"),  # type: ignore[arg-type]
        (Record("1", {}, routing=""), "routing: a routing value can't be empty"),
        ({"id": "1"}, "expected a Record, got dict"),
        (Record("2", {}), "the source answered with id '2', which it was not asked for"),
        (Record(1, {}), "the source answered with id 1, which it was not asked for"),  # type: ignore[arg-type]
    ],
)
def test_a_record_that_can_not_be_used_is_refused(load: Action, record: Any, why: str) -> None:
    with pytest.raises(BadRecord) as refused:
        read(load, record)

    assert str(refused.value).startswith(why)


def test_a_document_that_is_nested_without_end_is_refused(load: Action) -> None:
    document: dict[str, Any] = {}
    document["a"] = document

    with pytest.raises(BadRecord, match="document: JSON can't hold it: nested too deeply"):
        read(load, Record("1", document))


def test_two_records_of_one_id_are_refused_unless_they_are_equal(load: Action) -> None:
    assert read(load, Record("1", {"a": 1}), Record("1", {"a": 1})).body == b'{"a":1}'
    with pytest.raises(BadRecord, match="two records of this id"):
        read(load, Record("1", {"a": 1}), Record("1", {"a": 2}))


def test_a_record_that_is_there_is_used_whatever_else_was_answered(load: Action) -> None:
    assert read(load, Record("7", {}), Record("1", {"a": 1})).body == b'{"a":1}'
