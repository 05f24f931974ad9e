"""The payloads of load and reindex."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from jobs import InvalidJob, LoadDocuments, ReindexAlias
from jobs.envelope import encode_job


def finding(caught: pytest.ExceptionInfo[ValidationError]) -> InvalidJob:
    return InvalidJob.from_validation(caught.value)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "s" * 513}, "source"),
        ({"source": None}, "source"),
        ({"ids": []}, "ids"),
        ({"ids": ["42"] * 10_001}, "ids"),
        ({"ids": "42"}, "ids"),
        ({"ids": {"42"}}, "ids"),
        ({"ids": None}, "ids"),
        ({"ids": ["1", ""]}, "ids.1"),
        ({"ids": ["1", 2]}, "ids.1"),
        ({"ids": ["1", "2", "é" * 257]}, "ids.2"),
    ],
)
def test_a_bad_load_is_refused_by_its_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LoadDocuments(**({"source": "shop", "ids": ["42"]} | arguments))

    assert finding(caught).field == field


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"alias": ""}, "alias"),
        ({"alias": "Products"}, "alias"),
        ({"alias": "_all"}, "alias"),
        ({"alias": "products*"}, "alias"),
        ({"mappings": []}, "mappings"),
        ({"mappings": {"properties": {1}}}, "mappings.properties"),
        ({"settings": "none"}, "settings"),
        ({"source": ""}, "source"),
        ({"transform": ""}, "transform"),
        ({"slices": 0}, "slices"),
        ({"slices": 1025}, "slices"),
        ({"slices": "2"}, "slices"),
        ({"slices": True}, "slices"),
        ({"slices": 2.0}, "slices"),
    ],
)
def test_a_bad_reindex_is_refused_by_its_field(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ReindexAlias(**({"alias": "products"} | arguments))

    error = finding(caught)
    assert error.field == field
    assert f"got {next(iter(arguments.values()))!r}"[:20] in str(error) or "properties" in field


@pytest.mark.parametrize(
    "payload",
    [
        LoadDocuments(source="shop", ids=("1", "2")),
        ReindexAlias(alias="products"),
        ReindexAlias(
            alias="products",
            mappings={"properties": {"name": {"type": "text"}}},
            settings={"number_of_shards": 2},
            source="shop",
            slices=4,
            transform="rename",
        ),
    ],
)
def test_the_wire_form_comes_back_as_the_same_payload(payload: LoadDocuments | ReindexAlias) -> None:
    stored = json.loads(encode_job(payload, enqueued_ms=1))

    assert stored["f"] == payload.job
    assert type(payload).model_validate(stored["k"]) == payload
