"""Action to line: what is sent for each kind, in each state that a look can find."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs import Outcome
from worker.actions import VERSIONS_PER_NUMBER, Action, ActionKind
from worker.answers import Settled, Trouble, rejected
from worker.lines import Absent, Line, Seen, plan, read_look

MakeAction = Callable[..., Action]
NUMBER = 1_700_000_000_000_000
VERSION = NUMBER * VERSIONS_PER_NUMBER
PLACE = {"_index": "i", "_id": "1"}
VERSIONED = PLACE | {"version": VERSION, "version_type": "external_gte"}


def seen(version: int) -> Seen:
    return Seen(version, seq_no=5, primary_term=2)


@pytest.fixture
def make(make_action: MakeAction) -> MakeAction:
    """An action on document 1 with the number that the expected versions here are made of."""
    return lambda kind, **members: make_action(kind, id="1", number=NUMBER, **members)


def test_given_an_index_action_then_it_carries_its_version(make: MakeAction) -> None:
    assert plan(make(ActionKind.INDEX, body=b"{}"), None) == Line({"index": VERSIONED}, b"{}")


def test_given_a_delete_then_it_carries_its_version_and_no_body(make: MakeAction) -> None:
    assert plan(make(ActionKind.DELETE, body=None), None) == Line({"delete": VERSIONED}, None)


@pytest.mark.parametrize(
    "options", [{"routing": "r"}, {"pipeline": "p"}, {"require_alias": True}, {"routing": "", "pipeline": ""}]
)
@pytest.mark.parametrize("kind", [ActionKind.INDEX, ActionKind.CREATE, ActionKind.REPLACE])
def test_given_options_then_a_full_write_carries_them(
    make: MakeAction, kind: ActionKind, options: dict[str, Any]
) -> None:
    found = seen(1) if kind is ActionKind.REPLACE else None

    assert plan(make(kind, **options), found) == Line({"index": VERSIONED | options}, b"{}")


def test_given_routing_then_a_delete_and_an_update_carry_it(make: MakeAction) -> None:
    delete = plan(make(ActionKind.DELETE, routing="r"), None)
    update = plan(make(ActionKind.UPDATE, routing="r"), seen(1))

    assert isinstance(delete, Line)
    assert isinstance(update, Line)
    assert delete.header["delete"]["routing"] == "r"
    assert update.header["update"]["routing"] == "r"


def test_given_create_where_nothing_is_then_it_is_a_versioned_index(make: MakeAction) -> None:
    assert plan(make(ActionKind.CREATE), None) == Line({"index": VERSIONED}, b"{}")


@pytest.mark.parametrize("version", [1, VERSION - 1])
def test_given_create_where_something_is_then_it_is_rejected_as_elasticsearch_does(
    make: MakeAction, version: int
) -> None:
    assert plan(make(ActionKind.CREATE), seen(version)) == rejected(
        "version_conflict_engine_exception", f"document already exists (current version [{version}])"
    )


def test_given_create_where_a_newer_write_is_then_it_has_run_before_and_is_superseded(
    make: MakeAction,
) -> None:
    """A later job on the document has run: the report of this one was lost with its worker."""
    version = VERSION + VERSIONS_PER_NUMBER

    assert plan(make(ActionKind.CREATE), seen(version)) == Settled(Outcome.SUPERSEDED, version, 5)


def test_given_create_where_our_own_write_is_then_its_lost_answer_was_a_success(make: MakeAction) -> None:
    assert plan(make(ActionKind.CREATE), seen(VERSION)) == Settled(Outcome.CREATED, VERSION, 5)


def test_given_an_update_then_it_holds_for_the_state_that_was_seen_alone(make: MakeAction) -> None:
    line = plan(make(ActionKind.UPDATE, body=b'{"doc":{}}'), seen(VERSION - 1))

    header = {"update": PLACE | {"if_seq_no": 5, "if_primary_term": 2}}
    assert line == Line(header, b'{"doc":{}}', conditional=True)


def test_given_an_update_where_nothing_is_then_it_is_rejected_as_elasticsearch_does(make: MakeAction) -> None:
    assert plan(make(ActionKind.UPDATE), None) == rejected(
        "document_missing_exception", "[1]: document missing"
    )


def test_given_an_update_with_an_upsert_where_nothing_is_then_the_upsert_is_written(make: MakeAction) -> None:
    action = make(ActionKind.UPDATE, body=b'{"doc":{"a":1}}', upsert=b'{"b":2}')

    assert plan(action, None) == Line({"index": VERSIONED}, b'{"b":2}')


@pytest.mark.parametrize("body", [b'{"doc":{"a":1}}', b'{"script":{"source":"s"}}'])
def test_given_an_update_whose_own_upsert_is_there_then_its_lost_answer_was_a_success(
    make: MakeAction, body: bytes
) -> None:
    """Applied on top of its own upsert, the update would take effect where it must not."""
    action = make(ActionKind.UPDATE, body=body, upsert=b'{"b":2}')

    assert plan(action, seen(VERSION)) == Settled(Outcome.CREATED, VERSION, 5)


@pytest.mark.parametrize("more", [0, 1, VERSIONS_PER_NUMBER * 10**6])
def test_given_an_update_where_a_newer_write_is_then_it_is_superseded(make: MakeAction, more: int) -> None:
    version = VERSION + VERSIONS_PER_NUMBER + more

    assert plan(make(ActionKind.UPDATE), seen(version)) == Settled(Outcome.SUPERSEDED, version, 5)


@pytest.mark.parametrize("version", [1, VERSION - 1, VERSION, VERSION + VERSIONS_PER_NUMBER - 1])
def test_given_a_replace_where_an_older_write_or_its_own_is_then_it_is_a_versioned_index(
    make: MakeAction, version: int
) -> None:
    """What stands between is for Elasticsearch to compare: an update has lifted it."""
    assert plan(make(ActionKind.REPLACE), seen(version)) == Line({"index": VERSIONED}, b"{}")


def test_given_a_replace_where_nothing_is_then_it_is_rejected_and_brings_nothing_back(
    make: MakeAction,
) -> None:
    assert plan(make(ActionKind.REPLACE), None) == rejected(
        "document_missing_exception", "[1]: document missing"
    )


@pytest.mark.parametrize("kind", [ActionKind.UPDATE, ActionKind.REPLACE])
def test_given_nothing_for_a_job_that_was_begun_before_then_a_versioned_delete_finds_out_why(
    make: MakeAction, kind: ActionKind
) -> None:
    options: dict[str, Any] = {} if kind is ActionKind.UPDATE else {"pipeline": "p", "require_alias": True}
    action = make(kind, begun_before=True, routing="r", **options)

    assert plan(action, None) == Line({"delete": VERSIONED | {"routing": "r"}}, None)
    assert plan(action, Absent.INDEX) == rejected("document_missing_exception", "[1]: document missing")


@pytest.mark.parametrize("more", [0, 1, VERSIONS_PER_NUMBER * 10**6])
def test_given_a_replace_where_a_newer_write_is_then_it_is_superseded(make: MakeAction, more: int) -> None:
    version = VERSION + VERSIONS_PER_NUMBER + more

    assert plan(make(ActionKind.REPLACE), seen(version)) == Settled(Outcome.SUPERSEDED, version, 5)


def test_given_a_document_that_is_there_then_a_look_tells_its_state() -> None:
    found = {"_index": "i", "_id": "1", "found": True, "_version": 3, "_seq_no": 0, "_primary_term": 1}

    assert read_look(found) == Seen(3, 0, 1)


def test_given_no_document_or_not_even_its_index_then_a_look_tells_which() -> None:
    assert read_look({"found": False}) is None
    assert read_look({"error": {"type": "index_not_found_exception", "reason": "no such"}}) is Absent.INDEX


@pytest.mark.parametrize(
    "type", ["no_shard_available_action_exception", "node_not_connected_exception", "some_future_exception"]
)
def test_given_a_shard_that_is_away_then_a_look_does_not_say_that_nothing_is_there(type: str) -> None:
    """An upsert sent on that word would replace the document as soon as the shard is back."""
    assert read_look({"error": {"type": type, "reason": "away"}}) is Trouble.UNAVAILABLE


@pytest.mark.parametrize("kind", [ActionKind.CREATE, ActionKind.REPLACE, ActionKind.UPDATE])
def test_given_a_look_that_can_never_succeed_then_the_action_is_rejected_with_its_reason(
    make: MakeAction, kind: ActionKind
) -> None:
    look = read_look({"error": {"type": "routing_missing_exception", "reason": "routing is required"}})

    assert plan(make(kind), look) == rejected("routing_missing_exception", "routing is required")
