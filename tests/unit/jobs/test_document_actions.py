"""The rules of index, update and delete beside names and documents: unknown fields, and pairs of fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobs import DeleteDocument, IndexDocument, InvalidJob, Payload, UpdateDocument
from jobs.models import PAYLOADS

VALID: dict[str, dict[str, Any]] = {
    "index": {"index": "products", "id": "42", "document": {}},
    "update": {"index": "products", "id": "42", "doc": {}},
    "delete": {"index": "products", "id": "42"},
    "bulk": {"index": "products", "actions": [{"op": "delete", "id": "42"}]},
    "load": {"source": "shop", "ids": ["42"]},
    "reindex": {"alias": "products"},
}


def refused(job: str, **arguments: Any) -> InvalidJob:
    with pytest.raises(ValidationError) as caught:
        PAYLOADS[job](**(VALID[job] | arguments))
    return InvalidJob.from_validation(caught.value)


@pytest.mark.parametrize("job", list(VALID))
@pytest.mark.parametrize("field", ["version", "version_type", "if_seq_no", "colour"])
def test_an_unknown_field_is_refused_and_a_version_is_one(job: str, field: str) -> None:
    error = refused(job, **{field: 7})

    assert (error.field, error.value) == (field, 7)


@pytest.mark.parametrize("job", list(VALID))
def test_every_required_field_is_named_when_it_is_missing(job: str) -> None:
    for name, field in PAYLOADS[job].model_fields.items():
        if field.is_required():
            with pytest.raises(ValidationError) as caught:
                PAYLOADS[job](**{key: value for key, value in VALID[job].items() if key != name})
            assert InvalidJob.from_validation(caught.value).field == name


@pytest.mark.parametrize("job", list(VALID))
def test_a_payload_cannot_be_changed_after_its_check(job: str) -> None:
    payload = PAYLOADS[job](**VALID[job])

    with pytest.raises(ValidationError, match="frozen"):
        payload.__setattr__(next(iter(VALID[job])), "other")


@pytest.mark.parametrize("field", ["create", "require_alias", "wait_until_visible"])
@pytest.mark.parametrize("value", ["true", 1, None])
def test_a_flag_is_true_or_false(field: str, value: object) -> None:
    error = refused("index", **{field: value})

    assert (error.field, error.value) == (field, value)


@pytest.mark.parametrize("pipeline", ["", "p" * 513, 7, "\ud800"])
def test_a_pipeline_has_a_name(pipeline: object) -> None:
    error = refused("index", pipeline=pipeline)

    assert (error.field, error.value) == ("pipeline", pipeline)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"doc": None}, "either doc or script"),
        ({"doc": {}, "script": {"source": "x"}}, "either doc or script"),
        ({"doc": None, "script": {"source": "x"}, "doc_as_upsert": True}, "doc_as_upsert needs doc"),
        ({"doc_as_upsert": True, "upsert": {}}, "either doc_as_upsert or upsert"),
        ({"doc": None, "script": {"lang": "painless"}}, "script needs a source or the id"),
    ],
)
def test_the_fields_of_an_update_fit_together(arguments: dict[str, Any], rule: str) -> None:
    assert rule in str(refused("update", **arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        {"doc": {}},
        {"doc": {"price": 1}, "doc_as_upsert": True},
        {"doc": {"price": 1}, "upsert": {"price": 0}},
        {"script": {"source": "ctx._source.n += 1"}},
        {"script": {"id": "stored"}, "upsert": {}},
    ],
)
def test_each_way_of_updating_is_taken(arguments: dict[str, Any]) -> None:
    assert UpdateDocument(index="products", id="42", **arguments).arguments().keys() == arguments.keys() | {
        "index",
        "id",
    }


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (DeleteDocument(index="products", id="42"), ["index", "id"]),
        (DeleteDocument(id="42", index="products", routing="a"), ["index", "id", "routing"]),
        (
            IndexDocument(document={}, id="42", index="products", create=True),
            ["index", "id", "create", "document"],
        ),
    ],
)
def test_only_given_fields_are_sent_and_the_document_comes_last(payload: Payload, names: list[str]) -> None:
    assert list(payload.arguments()) == names
