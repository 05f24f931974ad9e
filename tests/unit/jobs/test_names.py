"""Index names and document ids: every rule, at its edge, and a sentence that names field and value."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from jobs import DeleteDocument, InvalidJob


def refused(**arguments: object) -> InvalidJob:
    with pytest.raises(ValidationError) as caught:
        DeleteDocument(**({"index": "products", "id": "42"} | arguments))  # type: ignore[arg-type]
    return InvalidJob.from_validation(caught.value)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "can't be empty"),
        (".", "can't be '.' or '..'"),
        ("..", "can't be '.' or '..'"),
        ("-products", "can't start with '-'"),
        ("_products", "can't start with '_'"),
        ("+products", "can't start with '+'"),
        ("Products", "must be lowercase"),
        ("ÄPFEL", "must be lowercase"),
        ("a" * 256, "255 bytes of UTF-8 at the most, this one has 256"),
        ("é" * 128, "255 bytes of UTF-8 at the most, this one has 256"),
        ("half\ud800", "half a surrogate pair"),
        ("line\n", r"can't contain '\n'"),
        *((f"a{sign}b", f"can't contain {sign!r}") for sign in ' \\/*?"<>|,#:'),
    ],
)
def test_an_illegal_index_name_is_refused_by_the_rule_that_it_breaks(name: str, rule: str) -> None:
    error = refused(index=name)

    assert error.field == "index"
    assert error.value == name
    assert rule in error.reason
    assert str(error).startswith("index: an index name ")


@pytest.mark.parametrize(
    "name", ["a", "products", "logs-2026.11.21", ".kibana", "a+b_c-d", "é" * 127, "a" * 255]
)
def test_a_legal_index_name_is_taken_as_it_is(name: str) -> None:
    assert DeleteDocument(index=name, id="42").index == name


@pytest.mark.parametrize("value", [None, 7, b"products", ["products"]])
def test_an_index_name_is_text_and_nothing_is_turned_into_text(value: object) -> None:
    error = refused(index=value)

    assert (error.field, error.value) == ("index", value)


@pytest.mark.parametrize("id", ["a" * 512, "é" * 256, "😀" * 128, "a b/c?*", " "])
def test_an_id_of_up_to_512_bytes_is_taken(id: str) -> None:
    assert DeleteDocument(index="products", id=id).id == id


@pytest.mark.parametrize(
    ("id", "size"), [("a" * 513, 513), ("é" * 256 + "a", 513), ("é" * 257, 514), ("😀" * 129, 516)]
)
def test_an_id_over_512_bytes_of_utf8_is_refused_with_its_size(id: str, size: int) -> None:
    error = refused(id=id)

    assert (error.field, error.value) == ("id", id)
    assert f"512 bytes of UTF-8 at the most, this one has {size}" in str(error)


def test_an_empty_id_is_refused() -> None:
    assert str(refused(id="")) == "id: a document id can't be empty, got ''"


def test_an_id_that_utf8_cannot_hold_is_refused() -> None:
    assert "half a surrogate pair" in str(refused(id="\ud800"))


def test_a_number_is_no_id() -> None:
    error = refused(id=42)

    assert (error.field, error.value) == ("id", 42)


@pytest.mark.parametrize("routing", ["", "é" * 257, "\udfff"])
def test_a_routing_value_follows_the_rules_of_an_id(routing: str) -> None:
    error = refused(routing=routing)

    assert (error.field, error.value) == ("routing", routing)
    assert "routing value" in error.reason


def test_a_long_bad_value_is_shown_in_part_with_its_length() -> None:
    error = refused(id="x" * 10_000)

    assert len(str(error)) < 300
    assert "(10002 characters)" in str(error)
