"""Payload to actions: kinds, numbers, bytes, and a size that is never less than what is sent."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import BulkWrite, DeleteDocument, IndexDocument, UpdateDocument
from worker.actions import VERSIONS_PER_NUMBER, Action, ActionKind, actions_of, kept
from worker.lines import Line, Seen, plan

# A load is read before it is sent.
SENT = [kind for kind in ActionKind if kind is not ActionKind.LOAD]
PLACE: dict[str, Any] = {"index": "products", "id": "42"}


def action_of(payload: Any) -> Action:
    (action,) = actions_of(payload, 7, ["key"])
    return action


def test_given_a_whole_document_then_it_is_an_index_action_with_its_bytes() -> None:
    payload = IndexDocument(
        **PLACE,
        document={"ü": [1, None]},
        routing="r",
        pipeline="p",
        require_alias=True,
        wait_until_visible=True,
    )

    assert action_of(payload) == Action(
        kind=ActionKind.INDEX,
        index="products",
        id="42",
        key="key",
        number=7,
        body='{"ü":[1,null]}'.encode(),
        routing="r",
        pipeline="p",
        require_alias=True,
        wait_until_visible=True,
    )


def test_given_create_then_the_document_is_looked_at_first() -> None:
    action = action_of(IndexDocument(**PLACE, document={}, create=True))

    assert action.kind is ActionKind.CREATE
    assert action.needs_look


@pytest.mark.parametrize(
    ("members", "body", "upsert"),
    [
        ({"doc": {"a": 1}}, {"doc": {"a": 1}}, None),
        ({"doc": {"a": 1}, "doc_as_upsert": True}, {"doc": {"a": 1}}, {"a": 1}),
        ({"doc": {"a": 1}, "upsert": {"b": 2}}, {"doc": {"a": 1}}, {"b": 2}),
        ({"doc": {}, "upsert": {}}, {"doc": {}}, {}),
        ({"script": {"source": "s"}}, {"script": {"source": "s"}}, None),
        ({"script": {"id": "s"}, "upsert": {"b": 2}}, {"script": {"id": "s"}}, {"b": 2}),
    ],
)
def test_given_an_update_then_body_and_upsert_are_apart(members: Any, body: Any, upsert: Any) -> None:
    action = action_of(UpdateDocument(**PLACE, **members))

    assert action.kind is ActionKind.UPDATE
    assert action.needs_look
    assert json.loads(action.body or b"null") == body
    assert (None if action.upsert is None else json.loads(action.upsert)) == upsert


def test_given_a_delete_then_it_has_no_body_and_needs_no_look() -> None:
    action = action_of(DeleteDocument(**PLACE, routing="r"))

    assert (action.kind, action.body, action.routing) == (ActionKind.DELETE, None, "r")
    assert not action.needs_look


def test_given_a_bulk_then_numbers_and_keys_follow_its_order() -> None:
    payload = BulkWrite(
        index="products",
        actions=(
            DeleteDocument(index="products", id="a"),
            IndexDocument(index="products", id="b", document={}),
            UpdateDocument(index="products", id="a", doc={}),
        ),
    )

    actions = actions_of(payload, 100, ["ka", "kb", "ka"])

    assert [(a.kind, a.id, a.key, a.number) for a in actions] == [
        ("delete", "a", "ka", 100),
        ("index", "b", "kb", 101),
        ("update", "a", "ka", 102),
    ]
    assert [a.version for a in actions] == [n * VERSIONS_PER_NUMBER for n in (100, 101, 102)]


@pytest.mark.parametrize("of_job", [True, False])
@pytest.mark.parametrize("of_action", [True, False])
def test_given_a_bulk_when_it_or_one_action_waits_until_visible_then_that_action_does(
    of_job: bool, of_action: bool
) -> None:
    wish = DeleteDocument(index="i", id="1", wait_until_visible=of_action)
    other = DeleteDocument(index="i", id="2")
    first, second = actions_of(
        BulkWrite(index="i", actions=(wish, other), wait_until_visible=of_job), 1, "ab"
    )

    assert first.wait_until_visible is (of_job or of_action)
    assert second.wait_until_visible is of_job


@pytest.mark.parametrize("keys", [[], ["a", "b"]])
def test_given_too_few_or_too_many_keys_then_the_job_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        actions_of(DeleteDocument(**PLACE), 1, keys)
    with pytest.raises(ValueError, match="argument"):
        actions_of(BulkWrite(index="products", actions=(DeleteDocument(**PLACE),)), 1, keys)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 10**40])
def test_given_a_number_of_any_length_then_it_is_sent_digit_by_digit(number: int) -> None:
    action = action_of(IndexDocument(**PLACE, document={"n": number}))

    assert action.body == b'{"n":%d}' % number


def test_given_the_deepest_document_that_a_producer_can_enqueue_then_it_can_be_sent() -> None:
    document: dict[str, Any] = {}
    for _ in range(255):
        document = {"a": document}

    action = action_of(IndexDocument(**PLACE, document=document))

    assert json.loads(action.body or b"") == document


def test_given_an_old_number_then_no_action_can_create_a_document() -> None:
    place: dict[str, Any] = {"index": "products"}
    written, updated, scripted, deleted = kept(
        actions_of(
            BulkWrite(
                index="products",
                actions=(
                    IndexDocument(**place, id="a", document={"n": 1}, pipeline="p", routing="r"),
                    UpdateDocument(**place, id="b", doc={"n": 2}, doc_as_upsert=True),
                    UpdateDocument(**place, id="c", script={"id": "s"}, upsert={"n": 3}),
                    DeleteDocument(**place, id="d"),
                ),
            ),
            100,
            "abcd",
        ),
        None,
    )

    assert (written.kind, written.body, written.pipeline, written.routing) == (
        "replace",
        b'{"n":1}',
        "p",
        "r",
    )
    assert [action.upsert for action in (updated, scripted)] == [None, None]
    assert [action.kind for action in (updated, scripted, deleted)] == ["update", "update", "delete"]
    assert [action.needs_look for action in (written, updated, scripted, deleted)] == [
        True,
        True,
        True,
        False,
    ]
    assert [action.number for action in (written, updated, scripted, deleted)] == [100, 101, 102, 103]


def test_given_positions_then_each_action_has_the_number_that_it_had_in_the_old_job() -> None:
    deletes = tuple(DeleteDocument(index="products", id=id) for id in "abc")
    actions = actions_of(BulkWrite(index="products", actions=deletes), 100, "abc")

    assert [action.number for action in kept(actions, (0, 7, 9))] == [100, 107, 109]
    assert [action.id for action in kept(actions, (0, 7, 9))] == ["a", "b", "c"]
    for positions in ((0, 7), (0, 7, 9, 11)):
        with pytest.raises(ValueError, match="argument"):
            kept(actions, positions)


def test_given_a_create_then_it_can_not_keep_its_number() -> None:
    with pytest.raises(ValueError, match="a create can't keep its number"):
        kept([action_of(IndexDocument(**PLACE, document={}, create=True))], None)


def test_given_a_plain_index_or_a_delete_then_nothing_is_looked_at() -> None:
    looked_at = {kind for kind in SENT if Action(kind, "i", "1", "k", 1).needs_look}

    assert looked_at == {ActionKind.CREATE, ActionKind.REPLACE, ActionKind.UPDATE}


NAMES = st.text(min_size=1, max_size=6)
OPTIONAL = st.none() | NAMES
BODIES = st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=9), max_size=2).map(orjson.dumps)
LARGEST = 2**63 - 1


@settings(deadline=None)
@given(
    kind=st.sampled_from(SENT),
    number=st.just(LARGEST // VERSIONS_PER_NUMBER) | st.integers(1, LARGEST // VERSIONS_PER_NUMBER),
    index=NAMES,
    id=NAMES,
    routing=OPTIONAL,
    pipeline=OPTIONAL,
    require_alias=st.booleans(),
    body=BODIES,
    upsert=st.none() | BODIES,
    seen=st.none() | st.just(Seen(1, LARGEST, LARGEST)),
)
def test_line_bytes_are_never_less_than_what_is_sent(
    kind: ActionKind, seen: Seen | None, **members: Any
) -> None:
    action = Action(kind=kind, key="k", **members)
    planned = plan(action, seen)

    if isinstance(planned, Line):
        body = b"" if planned.body is None else planned.body + b"\n"
        assert len(orjson.dumps(planned.header) + b"\n" + body) <= action.line_bytes


def test_line_bytes_are_never_less_than_what_is_sent_with_every_option_and_the_shortest_names(
    make_action: Callable[..., Action],
) -> None:
    action = make_action(
        id="1", routing="r", pipeline="p", require_alias=True, number=LARGEST // VERSIONS_PER_NUMBER
    )
    line = plan(action, None)

    assert isinstance(line, Line)
    assert len(orjson.dumps(line.header)) + len(b"\n{}\n") <= action.line_bytes
