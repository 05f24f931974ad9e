"""A bulk: one index, a list of actions, and a wire form that comes back as the same models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from jobs import BulkWrite, DeleteDocument, IndexDocument, InvalidJob, LoadDocuments, UpdateDocument
from jobs.envelope import encode_job
from jobs.models import MOST_BULK_ACTIONS

ACTIONS = (
    IndexDocument(index="products", id="1", document={"name": "Tap"}, routing="a", create=True),
    UpdateDocument(index="products", id="2", doc={"price": 1}, doc_as_upsert=True),
    DeleteDocument(index="products", id="1"),
)


def refused(**arguments: Any) -> InvalidJob:
    with pytest.raises(ValidationError) as caught:
        BulkWrite(**({"index": "products", "actions": list(ACTIONS)} | arguments))
    return InvalidJob.from_validation(caught.value)


def test_the_wire_form_names_the_kind_and_leaves_the_index_out() -> None:
    wire = BulkWrite(index="products", actions=ACTIONS).arguments()

    assert wire == {
        "index": "products",
        "actions": [
            {"op": "index", "id": "1", "routing": "a", "create": True, "document": {"name": "Tap"}},
            {"op": "update", "id": "2", "doc": {"price": 1}, "doc_as_upsert": True},
            {"op": "delete", "id": "1"},
        ],
    }


def test_the_wire_form_comes_back_as_the_same_bulk() -> None:
    bulk = BulkWrite(index="products", actions=ACTIONS, wait_until_visible=True)
    stored = json.loads(encode_job(bulk, enqueued_ms=1))

    assert BulkWrite.model_validate(stored["k"]) == bulk


def test_models_and_wire_forms_can_be_mixed() -> None:
    mixed = BulkWrite(index="products", actions=[ACTIONS[0], {"op": "delete", "id": "1"}])  # type: ignore[arg-type]

    assert mixed.actions == (ACTIONS[0], ACTIONS[2])


def test_the_callers_list_is_left_as_it_was() -> None:
    actions = [{"op": "delete", "id": "1"}]
    BulkWrite(index="products", actions=actions)  # type: ignore[arg-type]

    assert actions == [{"op": "delete", "id": "1"}]


def test_an_action_on_another_index_is_refused_with_both_names() -> None:
    error = refused(actions=[ACTIONS[0], DeleteDocument(index="orders", id="1")])

    assert error.field == "actions"
    assert "action 1 is on index 'orders', this bulk is on 'products'" in str(error)


def test_an_empty_bulk_is_refused() -> None:
    assert refused(actions=[]).field == "actions"


@pytest.mark.parametrize("actions", [None, "delete", {"op": "delete", "id": "1"}, 7])
def test_actions_are_a_list(actions: object) -> None:
    error = refused(actions=actions)

    assert (error.field, error.value) == ("actions", actions)


@pytest.mark.parametrize("op", [None, "create", "bulk", "load", 7, ["index"], {"index": {}}])
def test_an_unknown_kind_of_action_is_refused_with_the_known_ones(op: object) -> None:
    error = refused(actions=[{"op": "delete", "id": "1"}, {"op": op, "id": "1"}])

    assert "action 1" in str(error) or error.field == "actions.1.op"
    assert "op must be one of index, update, delete" in str(error)
    assert repr(op) in str(error)


@pytest.mark.parametrize(
    "action", [7, "delete", None, ["op", "delete"], LoadDocuments(source="shop", ids=("1",))]
)
def test_what_is_no_action_is_refused_by_its_position(action: object) -> None:
    error = refused(actions=[ACTIONS[0], action])

    assert error.field == "actions.1"
    assert error.value == action


@pytest.mark.parametrize(
    ("action", "field"),
    [
        ({"op": "index", "id": "", "document": {}}, "actions.1.id"),
        ({"op": "index", "id": "1"}, "actions.1.document"),
        ({"op": "index", "id": "1", "document": {"price": float("nan")}}, "actions.1.document.price"),
        ({"op": "delete", "id": "1", "version": 3}, "actions.1.version"),
        ({"op": "update", "id": "1"}, "actions.1"),
    ],
)
def test_a_bad_action_is_named_by_its_position_and_field(action: dict[str, Any], field: str) -> None:
    assert refused(actions=[ACTIONS[0], action]).field.removesuffix(".job") == field


def test_an_action_of_the_wire_form_cannot_name_an_index() -> None:
    error = refused(actions=[{"op": "delete", "id": "1", "index": "orders"}])

    assert "takes its index from the bulk" in str(error)


@pytest.mark.parametrize("actions", [list(ACTIONS), [{"op": "delete", "id": "1"}]])
def test_a_bad_index_of_the_bulk_is_named_once_as_its_own(actions: list[Any]) -> None:
    assert refused(index="Products", actions=actions).field == "index"


def test_a_missing_index_of_the_bulk_is_named_as_missing() -> None:
    with pytest.raises(ValidationError) as caught:
        BulkWrite(actions=[{"op": "delete", "id": "1"}])  # type: ignore[call-arg,arg-type]

    error = InvalidJob.from_validation(caught.value)
    assert (error.field, error.reason) == ("index", "Field required")


def test_a_bulk_is_bounded_since_one_script_call_ends_it_whole() -> None:
    actions = [{"op": "delete", "id": "1"}] * (MOST_BULK_ACTIONS + 1)

    with pytest.raises(ValidationError, match="at most 10000 items"):
        BulkWrite(index="products", actions=actions)
    assert len(BulkWrite(index="products", actions=actions[1:]).actions) == MOST_BULK_ACTIONS
