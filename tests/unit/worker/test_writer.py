"""One bulk request, against answers that a real server can't be made to give.

The client is the worker's own; only the far end of its connection is set (see `far_end`).
"""

from collections.abc import Callable
from typing import Any

import elastic_transport
import orjson
import pytest
from elasticsearch import AsyncElasticsearch

from jobs import Outcome
from worker.actions import Action, ActionKind
from worker.answers import Settled, Trouble, rejected
from worker.elastic import ProcessClient
from worker.writer import BulkWriter

MakeAction = Callable[..., Action]
CREATED = {"index": {"status": 201, "result": "created", "_version": 1, "_seq_no": 0}}
FOUND = {"found": True, "_version": 3, "_seq_no": 4, "_primary_term": 5}


@pytest.fixture
def writer(client: AsyncElasticsearch) -> BulkWriter:
    """The writer on the client of this test."""
    return BulkWriter(ProcessClient(client))


def items(*answers: Any, errors: bool = False) -> dict[str, Any]:
    return {"took": 1, "errors": errors, "items": list(answers)}


async def test_given_actions_then_they_travel_in_one_request_byte_for_byte(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    index = make_action(id="ü", body='{"a":"é"}'.encode())
    delete = make_action(ActionKind.DELETE, id="2", body=None)
    far_end.answer(items(CREATED, {"delete": {"status": 404, "result": "not_found"}}))

    reply = await writer.write([index, delete])

    ((method, target, body),) = far_end.asked
    assert (method, target) == ("POST", "/_bulk?timeout=5s")
    header, document, removal = body.splitlines()
    assert orjson.loads(header)["index"]["_id"] == "ü"
    assert document == index.body
    assert orjson.loads(removal)["delete"]["version"] == delete.version
    assert len(body) <= index.line_bytes + delete.line_bytes
    assert [answer.outcome for answer in reply.answers if isinstance(answer, Settled)] == [
        Outcome.CREATED,
        Outcome.MISSING,
    ]


async def test_given_answers_then_each_goes_to_its_own_action(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    error = {"index": {"status": 400, "error": {"type": "t", "reason": "r"}}}
    far_end.answer(items(CREATED, error, {"index": {"status": 429, "error": {"type": "x"}}}, errors=True))

    reply = await writer.write([make_action(), make_action(), make_action()])

    assert reply.answers == [Settled(Outcome.CREATED, 1, 0), rejected("t", "r"), Trouble.THROTTLED]


async def test_given_updates_and_creates_then_one_look_tells_how_to_send_them(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    actions = [
        make_action(ActionKind.CREATE, id="there"),
        make_action(),
        make_action(ActionKind.UPDATE, id="missing"),
        make_action(ActionKind.UPDATE, id="seen", routing="r"),
    ]
    far_end.answer({"docs": [FOUND, {"found": False}, FOUND]})
    far_end.answer(items(CREATED, {"update": {"status": 200, "result": "noop"}}))

    reply = await writer.write(actions)

    look, bulk = far_end.asked
    assert look[1] == "/_mget?_source=false"
    assert orjson.loads(look[2])["docs"] == [
        {"_index": "i", "_id": "there"},
        {"_index": "i", "_id": "missing"},
        {"_index": "i", "_id": "seen", "routing": "r"},
    ]
    assert bulk[2].count(b"\n") == 4
    exists, created, missing, unchanged = reply.answers
    assert exists == rejected(
        "version_conflict_engine_exception", "document already exists (current version [3])"
    )
    assert created == Settled(Outcome.CREATED, 1, 0)
    assert missing == rejected("document_missing_exception", "[missing]: document missing")
    assert unchanged == Settled(Outcome.UNCHANGED)


async def test_given_a_look_that_settles_everything_then_nothing_is_written(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    far_end.answer({"docs": [{"found": False}]})

    reply = await writer.write([make_action(ActionKind.UPDATE, id="1")])

    assert len(far_end.asked) == 1
    assert reply.answers == [rejected("document_missing_exception", "[1]: document missing")]


async def test_given_a_shard_that_is_away_when_looked_at_then_only_that_document_waits(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    far_end.answer({"docs": [{"error": {"type": "no_shard_available_action_exception", "reason": "away"}}]})
    far_end.answer(items(CREATED))
    upsert = make_action(ActionKind.UPDATE, upsert=b"{}")

    reply = await writer.write([upsert, make_action()])

    assert reply.answers == [Trouble.UNAVAILABLE, Settled(Outcome.CREATED, 1, 0)]
    assert len(far_end.lines(1)) == 2


@pytest.mark.parametrize("answered", [0, 1, 3])
async def test_given_fewer_or_more_answers_than_actions_then_all_are_unsure(
    writer: BulkWriter, far_end: Any, make_action: MakeAction, answered: int
) -> None:
    far_end.answer(items(*[CREATED] * answered))

    reply = await writer.write([make_action(), make_action()])

    assert reply.answers == [Trouble.UNSURE] * 2


async def test_given_answers_in_another_order_than_the_actions_then_all_are_unsure(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    far_end.answer(items(*({"index": CREATED["index"] | {"_id": id}} for id in ("b", "a"))))

    reply = await writer.write([make_action(id="a"), make_action(id="b")])

    assert reply.answers == [Trouble.UNSURE] * 2


@pytest.mark.parametrize(
    ("body", "type", "genuine"),
    [
        (b'{"took":1,"errors":false,"items":[{"ind', "application/json", True),
        (b"", "application/json", True),
        (b"<html>it works</html>", "text/html", False),
        (b"<html>it works</html>", "text/html", True),
        (b"{}", "application/json", False),
        (b"{}", "application/json", True),
        (b"[]", "application/json", True),
    ],
    ids=["truncated", "empty", "a page", "a page by a proxy", "no product", "no items", "a list"],
)
@pytest.mark.parametrize("kind", [ActionKind.INDEX, ActionKind.UPDATE])
async def test_given_an_answer_that_is_not_elasticsearchs_then_no_action_is_settled(
    writer: BulkWriter,
    far_end: Any,
    make_action: MakeAction,
    body: bytes,
    type: str,
    genuine: bool,
    kind: ActionKind,
) -> None:
    far_end.answer(body, type=type, genuine=genuine)

    reply = await writer.write([make_action(kind), make_action(kind)])

    assert len(reply.answers) == 2
    assert set(reply.answers) <= {Trouble.UNSURE, Trouble.UNAVAILABLE}


@pytest.mark.parametrize("kind", [ActionKind.INDEX, ActionKind.CREATE])
@pytest.mark.parametrize(
    ("failure", "status", "trouble"),
    [
        (elastic_transport.ConnectionError("refused"), 0, Trouble.UNSURE),
        (elastic_transport.ConnectionTimeout("20 s"), 0, Trouble.UNSURE),
        ({"error": {"type": "t", "reason": "r"}}, 429, Trouble.THROTTLED),
        ({"error": {"type": "t", "reason": "r"}}, 503, Trouble.UNAVAILABLE),
        ({"error": {"type": "t", "reason": "r"}}, 400, Trouble.REFUSED),
    ],
)
async def test_given_a_look_or_a_write_that_fails_then_it_is_tried_once_and_all_share_the_trouble(
    writer: BulkWriter,
    far_end: Any,
    make_action: MakeAction,
    kind: ActionKind,
    failure: Any,
    status: int,
    trouble: Trouble,
) -> None:
    far_end.answer(failure, status=status)

    reply = await writer.write([make_action(kind), make_action()])

    assert reply.answers == [trouble, trouble]
    assert reply.problem.type
    assert reply.problem.reason
    assert len(far_end.asked) == 1


async def test_given_actions_that_wait_until_visible_then_their_indices_are_refreshed_once(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    error = {"index": {"status": 400, "error": {"type": "t", "reason": "r"}}}
    far_end.answer(items(CREATED, CREATED, CREATED, error, errors=True))
    far_end.answer({})
    wishes = [("b", True), ("a", True), ("no-wish", False), ("rejected", True)]

    await writer.write([make_action(index=index, wait_until_visible=wish) for index, wish in wishes])

    assert [asked[:2] for asked in far_end.asked[1:]] == [("POST", "/a,b/_refresh")]


async def test_given_an_index_that_is_gone_when_refreshed_then_what_is_left_is_refreshed(
    writer: BulkWriter, far_end: Any, make_action: MakeAction
) -> None:
    far_end.answer(items(CREATED))
    far_end.answer({"error": {"type": "index_not_found_exception", "reason": "gone"}}, status=404)
    far_end.answer({})

    reply = await writer.write([make_action(wait_until_visible=True)])

    assert far_end.asked[2][1] == "/i/_refresh?ignore_unavailable=true"
    assert reply.answers == [Settled(Outcome.CREATED, 1, 0)]


@pytest.mark.parametrize("status", [429, 503])
async def test_given_a_refresh_that_fails_then_it_is_repeated_and_the_write_is_not(
    writer: BulkWriter, far_end: Any, make_action: MakeAction, status: int
) -> None:
    """Sent again they would report `updated` in place of `created`, and a script would run twice."""
    far_end.answer(items(CREATED, CREATED))
    far_end.answer({"error": {"type": "t", "reason": "r"}}, status=status)
    far_end.answer({})

    reply = await writer.write([make_action(), make_action(wait_until_visible=True)])

    assert reply.answers == [Settled(Outcome.CREATED, 1, 0)] * 2
    assert [asked[1] for asked in far_end.asked] == ["/_bulk?timeout=5s", "/i/_refresh", "/i/_refresh"]


async def test_given_a_refresh_that_is_not_allowed_then_the_answers_stand(
    writer: BulkWriter, far_end: Any, make_action: MakeAction, caplog: Any
) -> None:
    far_end.answer(items(CREATED))
    far_end.answer({"error": {"type": "security_exception", "reason": "r"}}, status=403)

    reply = await writer.write([make_action(wait_until_visible=True)])

    assert reply.answers == [Settled(Outcome.CREATED, 1, 0)]
    assert "not refreshed" in caplog.text
