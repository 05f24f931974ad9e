"""What claimed jobs become: documents go on as the bytes that they came in, every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from worker.actions import Action
from worker.claims import ABORTED, Claimed
from worker.entry import Entry
from worker.holding import Holding
from worker.parking import Parking
from worker.taking import Taking

EXACT = b'{"price":1234.5678901234567891,"amount":1.10,"power":1e2,"text":"%b"}'
ONE = b'P1 5 key\n{"f":"index","t":null,"a":[],"et":9,"k":{"index":"i","id":"1","document":%b}}'
MANY = (
    b'P1 5 ka kb\n{"f":"bulk","t":null,"a":[],"et":9,"k":{"index":"i","actions":[\n'
    b'{"op":"index","id":"1","document":%b},\n{"op":"index","id":"2","document":{}}\n]}}'
)


class Batcher:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.actions: list[Action] = []

    def add(self, entries: Iterable[Entry]) -> None:
        self.actions += [entry.action for entry in entries]

    def pump(self, *, only_full: bool = False) -> None:
        """There is nothing to send."""


class Endings:
    """Keeps the ids of what was aborted."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []

    def aborted(self, claimed: Claimed, name: str, enqueued_ms: int) -> None:
        self.ids.append(claimed.id)

    def reported(self, *_: object) -> None:
        """Not before there is an answer."""

    settled = answered = reported


@pytest.fixture
def batcher() -> Batcher:
    return Batcher()


@pytest.fixture
def endings() -> Endings:
    return Endings()


@pytest.fixture
def holding() -> Holding:
    return Holding(10, 10**7)


@pytest.fixture
def taking(batcher: Any, endings: Any, holding: Holding) -> Taking:
    nobody: Any = None
    return Taking(
        batcher,
        holding,
        endings,
        Parking(nobody, holding),
        nobody,
        functions=(),
        sources={},
        job_max_bytes=10**7,
        park_unknown_seconds=0,
    )


def job(raw: bytes, attempt: int) -> Claimed:
    return Claimed(b"1", 5.0, raw, raw.split(b"\n")[0].partition(b"5 ")[2], attempt)


@pytest.mark.parametrize("form", [ONE, MANY])
@pytest.mark.parametrize("size", [10, 600_000])
@pytest.mark.parametrize("attempt", [0, 1])
async def test_a_document_keeps_every_byte(
    taking: Taking, batcher: Batcher, holding: Holding, form: bytes, size: int, attempt: int
) -> None:
    document = EXACT % (b"x" * size)

    assert await taking.take([job(form % document, attempt)]) == []

    assert batcher.actions[0].body == document
    assert {action.begun_before for action in batcher.actions} == {attempt == 1}
    assert list(holding.jobs) == [b"1"]


@pytest.mark.parametrize("size", [10, 600_000])
async def test_what_was_aborted_is_not_written(
    taking: Taking, batcher: Batcher, endings: Endings, size: int
) -> None:
    await taking.take([job(ONE % (EXACT % (b"x" * size)), ABORTED)])

    assert (endings.ids, batcher.actions) == ([b"1"], [])
