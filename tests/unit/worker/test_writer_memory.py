"""What a request leaves behind: an outage is thousands of failed ones, each with its body."""

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import elastic_transport
import pytest
from elasticsearch import AsyncElasticsearch

from worker.actions import Action, ActionKind
from worker.answers import Trouble
from worker.elastic import ProcessClient
from worker.writer import BulkWriter, without_frames

MakeAction = Callable[..., Action]


class Body(bytes):
    """A body whose end can be seen: plain bytes take no weak references."""

    living = 0

    def __new__(cls, content: bytes) -> "Body":
        cls.living += 1
        return super().__new__(cls, content)

    def __del__(self) -> None:
        type(self).living -= 1


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is not let go of by itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def writer(client: AsyncElasticsearch) -> BulkWriter:
    """The writer on the client of this test."""
    return BulkWriter(ProcessClient(client))


def raised_in_a_cycle(held: bytes) -> elastic_transport.TransportError:
    """As the client's node raises: the error stays in a frame that is in the stack of its context."""
    assert held
    try:
        try:
            b"".index(held)
        except ValueError as cause:
            error = elastic_transport.ConnectionError("refused", errors=(cause,))
            raise error from None
    except elastic_transport.ConnectionError as raised:
        return raised


@pytest.mark.usefixtures("no_collector")
def test_given_an_error_in_a_cycle_when_its_frames_are_dropped_then_what_they_held_is_free() -> None:
    error = raised_in_a_cycle(Body(b"{}"))
    assert Body.living == 1

    without_frames(error)

    assert Body.living == 0
    assert error.message == "refused"


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", [ActionKind.INDEX, ActionKind.CREATE])
async def test_given_a_request_that_fails_then_its_body_is_free_without_the_collector(
    writer: BulkWriter, far_end: Any, make_action: MakeAction, kind: ActionKind, monkeypatch: Any
) -> None:
    bodies: list[int] = []

    async def fail(config: Any, method: str, target: str, body: bytes | None) -> Any:
        held = Body(body or b"")
        bodies.append(held.living)
        raise raised_in_a_cycle(held)

    monkeypatch.setattr(far_end, "reply", fail)

    for _ in range(5):
        reply = await writer.write([make_action(kind)])
        assert reply.answers == [Trouble.UNSURE]

    assert bodies == [1] * 5
    assert Body.living == 0


async def test_given_a_request_under_way_then_only_its_body_holds_the_documents(
    writer: BulkWriter, far_end: Any, make_action: MakeAction, monkeypatch: Any
) -> None:
    action = make_action(body=b"{" + b" " * 1000 + b"}")
    before, counted = sys.getrefcount(action.body), []
    answer = far_end.reply

    async def count(config: Any, method: str, target: str, body: bytes | None) -> Any:
        counted.append(sys.getrefcount(action.body))
        return await answer(config, method, target, body)

    monkeypatch.setattr(far_end, "reply", count)
    far_end.answer({"took": 1, "errors": False, "items": []})

    await writer.write([action])

    assert counted == [before + 1]  # the line that is kept for the answer
