"""The published JSON Schema: up to date, true to every real payload, and false to every bad one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jobs import (
    BulkWrite,
    DeleteDocument,
    IndexDocument,
    LoadDocuments,
    Payload,
    ReindexAlias,
    UpdateDocument,
    schema,
)
from jobs.envelope import encode_job
from jobs.models import PAYLOADS

PUBLISHED = Path(__file__).parents[3] / "docs" / "schema"
INDEX = IndexDocument(
    index="products", id="42", document={"a": [None, 1.5, {"b": True}]}, routing="r", pipeline="p",
    create=True, require_alias=True, wait_until_visible=True,
)  # fmt: skip
UPDATE = UpdateDocument(index="products", id="42", doc={}, doc_as_upsert=True)
SCRIPT = UpdateDocument(index="products", id="42", script={"source": "x"}, upsert={"n": 0})
DELETE = DeleteDocument(index="products", id="é" * 256)
GOOD: list[Payload] = [
    INDEX,
    UPDATE,
    SCRIPT,
    DELETE,
    BulkWrite(index="products", actions=(INDEX, UPDATE, SCRIPT, DELETE), wait_until_visible=True),
    LoadDocuments(source="shop", ids=("1", "2")),
    ReindexAlias(alias="products"),
    ReindexAlias(alias="products", mappings={}, settings={}, source="shop", slices=1024, transform="t"),
]
ID = {"index": "products", "id": "42"}
BAD: list[tuple[str, dict[str, Any]]] = [
    ("index", ID),
    ("index", ID | {"document": []}),
    ("index", ID | {"document": {}, "version": 3}),
    ("index", ID | {"document": {}, "id": 42}),
    ("index", ID | {"document": {}, "id": ""}),
    ("index", ID | {"document": {}, "id": "a" * 513}),
    ("index", ID | {"document": {}, "index": ""}),
    ("index", ID | {"document": {}, "index": "Products"}),
    ("index", ID | {"document": {}, "index": "_products"}),
    ("index", ID | {"document": {}, "index": "products*"}),
    ("index", ID | {"document": {}, "index": "a" * 256}),
    ("index", ID | {"document": {}, "index": ".."}),
    ("index", ID | {"document": {}, "routing": ""}),
    ("index", ID | {"document": {}, "pipeline": ""}),
    ("index", ID | {"document": {}, "create": "yes"}),
    ("update", ID | {"doc": 7}),
    ("delete", {"id": "42"}),
    ("delete", ID | {"document": {}}),
    ("bulk", {"index": "products", "actions": []}),
    ("bulk", {"index": "products", "actions": [{"id": "42"}]}),
    ("bulk", {"index": "products", "actions": [{"op": "sink", "id": "42"}]}),
    ("bulk", {"index": "products", "actions": [{"op": "delete", "id": "42", "index": "products"}]}),
    ("bulk", {"index": "products", "actions": [{"op": "delete", "id": ""}]}),
    ("bulk", {"index": "products", "actions": [{"op": "index", "id": "42"}]}),
    ("load", {"source": "shop", "ids": []}),
    ("load", {"source": "shop", "ids": [""]}),
    ("load", {"source": "", "ids": ["1"]}),
    ("reindex", {"alias": "products", "slices": 0}),
    ("reindex", {"alias": "Products"}),
    ("reindex", {}),
]


def published(job: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PUBLISHED / f"{job}.json").read_text(encoding="utf-8"))
    return content


def test_the_published_files_are_up_to_date() -> None:
    assert schema.stale(PUBLISHED) == [], "run `make fix`"
    assert {path.name for path in PUBLISHED.iterdir()} == {f"{job}.json" for job in PAYLOADS}


@pytest.mark.parametrize("job", list(PAYLOADS))
def test_each_is_itself_a_valid_schema(job: str) -> None:
    jsonschema.Draft202012Validator.check_schema(published(job))


@pytest.mark.parametrize("payload", GOOD, ids=lambda payload: payload.job)
def test_a_real_payload_is_valid(payload: Payload) -> None:
    stored = json.loads(encode_job(payload, enqueued_ms=1))

    jsonschema.validate(stored["k"], published(stored["f"]), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("job", "arguments"), BAD)
def test_a_bad_payload_is_invalid_and_the_model_says_so_too(job: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PAYLOADS[job].model_validate(arguments)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(arguments, published(job), jsonschema.Draft202012Validator)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["schema", *arguments])
    return schema.main()


def test_the_command_writes_checks_and_names_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made" / "for" / "it"
    assert run(monkeypatch, "--check", str(folder)) == 1
    assert run(monkeypatch, "--write", str(folder)) == 0
    assert run(monkeypatch, "--check", str(folder)) == 0

    (folder / "bulk.json").write_text("{}")
    (folder / "load.json").unlink()
    capsys.readouterr()
    assert run(monkeypatch, "--check", str(folder)) == 1
    assert "stale or missing: bulk.json, load.json" in capsys.readouterr().err
