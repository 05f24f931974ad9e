"""What Elasticsearch says of one action, for every status and result that it can have."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs import Outcome
from worker.actions import Action, ActionKind
from worker.answers import Blocked, Settled, Trouble, read_item, rejected

MakeAction = Callable[..., Action]


def error(type: str, reason: str = "why", **members: Any) -> dict[str, Any]:
    return {"type": type, "reason": reason} | members


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize(
    ("status", "result", "outcome"),
    [
        (201, "created", Outcome.CREATED),
        (200, "updated", Outcome.UPDATED),
        (200, "noop", Outcome.UNCHANGED),
        (200, "deleted", Outcome.DELETED),
        (404, "not_found", Outcome.MISSING),
    ],
)
def test_given_a_result_then_it_is_settled_with_version_and_number(
    make_action: MakeAction, conditional: bool, status: int, result: str, outcome: Outcome
) -> None:
    item = {"_index": "i", "_id": "1", "status": status, "result": result, "_version": 7, "_seq_no": 0}

    assert read_item(make_action(), conditional, item) == Settled(outcome, version=7, seq_no=0)


@pytest.mark.parametrize("result", ["deleted", "not_found"])
@pytest.mark.parametrize("kind", [ActionKind.UPDATE, ActionKind.REPLACE])
def test_given_the_delete_that_an_action_was_sent_as_then_its_document_is_missing(
    make_action: MakeAction, kind: ActionKind, result: str
) -> None:
    item = {"_id": "1", "status": 200, "result": result, "_version": 7, "_seq_no": 0}

    assert read_item(make_action(kind, id="1"), False, item) == rejected(
        "document_missing_exception", "[1]: document missing"
    )


def test_given_a_create_that_replaced_its_own_write_then_it_has_created(make_action: MakeAction) -> None:
    item = {"_id": "1", "status": 200, "result": "updated", "_version": 7, "_seq_no": 0}

    assert read_item(make_action(ActionKind.CREATE), False, item) == Settled(Outcome.CREATED, 7, 0)


@pytest.mark.parametrize(
    ("status", "type", "conditional", "expected"),
    [
        (409, "version_conflict_engine_exception", False, Settled(Outcome.SUPERSEDED)),
        (409, "version_conflict_engine_exception", True, Trouble.CONFLICT),
        (404, "document_missing_exception", True, Trouble.CONFLICT),
        (429, "es_rejected_execution_exception", False, Trouble.THROTTLED),
        (429, "circuit_breaking_exception", True, Trouble.THROTTLED),
        (429, "cluster_block_exception", False, Blocked("cluster_block_exception", "why")),
        (403, "cluster_block_exception", True, Blocked("cluster_block_exception", "why")),
        (503, "cluster_block_exception", False, Trouble.UNAVAILABLE),
        (401, "security_exception", False, Blocked("security_exception", "why")),
        (403, "security_exception", True, Blocked("security_exception", "why")),
        (502, "anything", False, Trouble.UNAVAILABLE),
        (503, "unavailable_shards_exception", True, Trouble.UNAVAILABLE),
        (504, "anything", False, Trouble.UNAVAILABLE),
        (404, "document_missing_exception", False, rejected("document_missing_exception", "why")),
        (404, "index_not_found_exception", False, rejected("index_not_found_exception", "why")),
        (404, "index_not_found_exception", True, rejected("index_not_found_exception", "why")),
        (400, "index_closed_exception", False, rejected("index_closed_exception", "why")),
        (400, "routing_missing_exception", True, rejected("routing_missing_exception", "why")),
    ],
)
def test_given_an_error_then_it_is_final_or_a_trouble(
    make_action: MakeAction, status: int, type: str, conditional: bool, expected: Any
) -> None:
    item = {"_index": "i", "_id": "1", "status": status, "error": error(type)}

    assert read_item(make_action(), conditional, item) == expected


def test_given_no_alias_where_one_is_required_then_the_action_waits_for_it(make_action: MakeAction) -> None:
    item = {"status": 404, "error": error("index_not_found_exception", "[i] is not an alias")}

    answer = read_item(make_action(require_alias=True), False, item)

    assert answer == Blocked("index_not_found_exception", "[i] is not an alias")


@pytest.mark.parametrize(
    "why", ["no such index [i] and [action.auto_create_index] is [false]", "no such index [template forbids]"]
)
def test_given_an_index_that_went_during_the_request_then_it_is_tried_again_but_not_one_that_must_not_be(
    make_action: MakeAction, why: str
) -> None:
    gone, forbidden = (
        {"_index": "i", "_id": "1", "status": 404, "error": error("index_not_found_exception", reason)}
        for reason in ("no such index [i]", why)
    )

    assert read_item(make_action(), False, gone) is Trouble.UNAVAILABLE
    assert read_item(make_action(), False, forbidden) == rejected("index_not_found_exception", why)


def test_given_a_mapping_error_then_the_reason_holds_the_cause_that_names_the_field(
    make_action: MakeAction,
) -> None:
    cause = {"type": "number_format_exception", "reason": 'For input string: "ask us"'}
    found = error("document_parsing_exception", "[1:9] failed to parse field [price]", caused_by=cause)

    assert read_item(make_action(), False, {"status": 400, "error": found}) == rejected(
        "document_parsing_exception", '[1:9] failed to parse field [price]: For input string: "ask us"'
    )


@pytest.mark.parametrize("cause", [None, {}, {"type": "x"}, {"type": "x", "reason": None}, "text"])
def test_given_a_cause_without_a_reason_then_the_reason_stands_alone(
    make_action: MakeAction, cause: Any
) -> None:
    item = {"status": 400, "error": error("some_exception", caused_by=cause)}

    assert read_item(make_action(), False, item) == rejected("some_exception", "why")


def test_given_an_error_beside_a_result_then_the_error_counts(make_action: MakeAction) -> None:
    item = {"status": 400, "result": "created", "error": error("some_exception")}

    assert read_item(make_action(), False, item) == rejected("some_exception", "why")


@pytest.mark.parametrize("item", [{}, {"status": 500}, {"status": 500, "error": "text"}, {"status": 400}])
def test_given_an_item_that_says_nothing_then_it_is_not_taken_for_a_success(
    make_action: MakeAction, item: dict[str, Any]
) -> None:
    answer = read_item(make_action(), False, item)

    assert not isinstance(answer, Settled) or answer.outcome is Outcome.REJECTED


def test_given_a_reason_as_long_as_a_document_then_the_report_stays_small(make_action: MakeAction) -> None:
    answer = read_item(make_action(), False, {"status": 400, "error": error("some", "x" * 1_000_000)})

    assert isinstance(answer, Settled)
    assert 0 < len(answer.reason or "") < 10_000
