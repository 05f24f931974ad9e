"""What a document may hold: what JSON can hold, and nothing that is silently turned into something else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jobs import IndexDocument, InvalidJob, UpdateDocument
from jobs.envelope import encode_job

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
WHEN = datetime(2026, 11, 21, tzinfo=UTC)


def refused(document: Any) -> InvalidJob:
    """What stands in the way: the model's check first, then the encoder's."""
    with pytest.raises((ValidationError, InvalidJob)) as caught:
        encode_job(IndexDocument(index="products", id="42", document=document), enqueued_ms=1)
    error = caught.value
    if isinstance(error, ValidationError):
        return InvalidJob.from_validation(error)
    assert isinstance(error, InvalidJob)
    return error


@pytest.mark.parametrize("document", [None, [], ["name"], "name", 7, True, b"{}"])
def test_a_document_is_an_object(document: Any) -> None:
    error = refused(document)

    assert (error.field, error.value) == ("document", document)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        {1},
        frozenset({1}),
        WHEN,
        WHEN.date(),
        b"x",
        Decimal(1),
        object,
    ],
)
def test_what_json_cannot_hold_is_refused_by_its_path(value: Any) -> None:
    error = refused({"fine": 1, "price": value})

    assert error.field == "document.price"
    assert error.value is value
    assert repr(value)[:100] in str(error)


@pytest.mark.parametrize("value", [float("nan"), WHEN, b"x", "\ud800"])
def test_a_bad_value_deep_inside_is_named_by_its_whole_path(value: Any) -> None:
    assert refused({"parts": [{"fine": 1}, {"size": [0, value]}]}).field == "document.parts.1.size.1"


@pytest.mark.parametrize(
    "name", ["list", "dict", "str", "int", "float", "bool", "none", "json", "nullable", "json-or-python"]
)
def test_a_field_named_like_a_type_is_named_in_full(name: str) -> None:
    assert refused({name: {"deep": WHEN}}).field == f"document.{name}.deep"
    assert refused({"deep": [{name: WHEN}]}).field == f"document.deep.0.{name}"


@pytest.mark.parametrize("key", [1, None, True, 1.5, ("a", "b")])
def test_a_key_is_text_and_nothing_is_turned_into_text(key: Any) -> None:
    error = refused({"sizes": {key: "large"}})

    assert error.field.startswith("document.sizes")
    assert error.value == key


@pytest.mark.parametrize("text", ["\ud800", "fine \ud83d"])
def test_half_a_surrogate_pair_is_refused_as_a_value_and_as_a_name(text: str) -> None:
    assert (refused({"name": text}).field, refused({"name": text}).value) == ("document.name", text)
    assert refused({text: 1}).field.startswith("document")


def test_a_document_that_holds_itself_is_refused() -> None:
    document: dict[str, Any] = {}
    document["self"] = document

    assert refused(document).field.startswith("document.self")


def test_nesting_beyond_all_reason_is_refused_with_a_short_message() -> None:
    document: dict[str, Any] = {}
    inner = document
    for _ in range(5_000):
        inner["a"] = inner = {}

    assert refused(document).field.startswith("document.a")


@pytest.mark.parametrize("field", ["doc", "upsert", "script"])
def test_the_objects_of_an_update_follow_the_same_rules(field: str) -> None:
    arguments: dict[str, Any] = {"script": {"source": "x"}} | {field: {"source": "x", "when": WHEN}}
    if field == "doc":
        del arguments["script"]
    with pytest.raises(ValidationError) as caught:
        UpdateDocument(index="products", id="42", **arguments)

    assert InvalidJob.from_validation(caught.value).field == f"{field}.when"


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_whatever_json_holds_arrives_unchanged(document: dict[str, Any]) -> None:
    encoded = encode_job(IndexDocument(index="products", id="42", document=document), enqueued_ms=1)

    assert json.loads(encoded)["k"]["document"] == document
