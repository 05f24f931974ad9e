"""Payload to entry, and entries cut into round trips: by number, by size, and before a bad payload."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from jobs import BulkWrite, DeleteDocument, IndexDocument, InvalidJob, LoadDocuments, Payload
from jobs.entries import Entry, chunks, entry_of
from jobs.envelope import document_key

MOST = 10_000
JOBS_PER_CALL = 500
BYTES_PER_CALL = 1024 * 1024

DELETE = DeleteDocument(index="products", id="42")
KEY = document_key("products", "42")


def entry(payload: Payload) -> Entry:
    return entry_of(payload, None, MOST)


def payloads(number: int) -> list[Payload]:
    return [DeleteDocument(index="products", id=str(n)) for n in range(number)]


async def sizes(given: Any, make: Callable[[Payload], Entry] = entry) -> list[int]:
    return [len(part) async for part in chunks(given, make)]


async def until_the_bad_one(given: Any) -> tuple[list[int], InvalidJob | None]:
    """The sizes of what comes before the error, and the error."""
    found: list[int] = []
    try:
        async for part in chunks(given, entry):
            found += [len(part)]
    except InvalidJob as error:
        return found, error
    return found, None


@pytest.mark.parametrize(
    ("payload", "actions", "documents"),
    [
        (DELETE, 1, [KEY]),
        (
            BulkWrite(index="products", actions=(DELETE, DELETE, DeleteDocument(index="products", id="7"))),
            3,
            [KEY, KEY, document_key("products", "7")],
        ),
        (LoadDocuments(source="shop", ids=("1", "2")), 0, []),
    ],
)
def test_an_entry_has_id_number_of_actions_and_keys_on_its_first_line_and_the_job_behind_it(
    payload: Payload, actions: int, documents: list[str]
) -> None:
    before_ms = int(time.time() * 1000)

    id, stored, idempotency_key = entry(payload)

    first_line, _, body = stored.partition(b"\n")
    assert first_line.decode().split(" ") == [id, str(actions), *documents]
    job = json.loads(body)
    assert (job["f"], job["k"]) == (payload.job, json.loads(json.dumps(payload.arguments())))
    assert before_ms <= job["et"] <= time.time() * 1000
    assert idempotency_key == ""


def test_every_entry_has_an_id_of_its_own() -> None:
    ids = {entry(DELETE).id for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(id) for id in ids} == {32}


@pytest.mark.parametrize("key", ["a", "ü" * 512, "with space\nand line"])
def test_an_idempotency_key_goes_along(key: str) -> None:
    assert entry_of(DELETE, key, MOST).idempotency_key == key


@pytest.mark.parametrize("key", ["", "x" * 1025, "ü" * 513, 7, b"a", "\ud800"])
def test_what_can_be_no_idempotency_key_is_refused(key: Any) -> None:
    with pytest.raises(InvalidJob) as caught:
        entry_of(DELETE, key, MOST)
    assert caught.value.field == "idempotency_key"


@pytest.mark.parametrize("payload", [None, {"index": "products", "id": "42"}, DeleteDocument])
def test_what_is_no_payload_is_refused_with_the_names_of_those_there_are(payload: Any) -> None:
    with pytest.raises(InvalidJob, match="IndexDocument, UpdateDocument, DeleteDocument") as caught:
        entry(payload)
    assert caught.value.field == "payload"


def test_a_job_at_the_limit_goes_and_one_byte_over_does_not() -> None:
    size = len(entry(DELETE).stored.partition(b"\n")[2])

    entry_of(DELETE, None, size)
    with pytest.raises(InvalidJob, match=f"a job can have {size - 1} bytes at the most"):
        entry_of(DELETE, None, size - 1)


@pytest.mark.parametrize(
    ("number", "parts"),
    [(0, []), (1, [1]), (JOBS_PER_CALL, [500]), (JOBS_PER_CALL + 1, [500, 1]), (1_234, [500, 500, 234])],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_round_trips_are_cut_at_a_number_of_jobs(number: int, parts: list[int], streamed: bool) -> None:
    assert await sizes(_stream(payloads(number)) if streamed else payloads(number)) == parts


async def _stream(given: list[Payload]) -> AsyncIterator[Payload]:
    for payload in given:
        yield payload


async def test_round_trips_are_cut_at_a_size() -> None:
    def made(payload: Payload) -> Entry:
        return Entry(payload.arguments()["id"], b"x" * (BYTES_PER_CALL // 4), "")

    assert await sizes(payloads(9), made) == [4, 4, 1]


async def test_a_job_larger_than_a_round_trip_ends_one() -> None:
    def made(payload: Payload) -> Entry:
        large = payload.arguments()["id"] == "2"
        return Entry("id", b"x" * (2 * BYTES_PER_CALL if large else 1), "")

    assert await sizes(payloads(5), made) == [3, 2]


async def test_entries_keep_the_order_of_their_payloads() -> None:
    found = [
        json.loads(one.stored.partition(b"\n")[2])["k"]["id"]
        async for part in chunks(payloads(1_100), entry)
        for one in part
    ]

    assert found == [str(n) for n in range(1_100)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_comes_before_a_bad_payload_goes_and_then_the_error_comes(streamed: bool) -> None:
    given: list[Any] = [*payloads(502), "no payload", *payloads(5)]

    parts, error = await until_the_bad_one(_stream(given) if streamed else given)

    assert error is not None
    assert (parts, error.field, error.value) == ([500, 2], "payload", "no payload")


async def test_a_payload_that_its_generator_can_not_make_is_one_of_the_contracts_errors() -> None:
    def made() -> Iterator[Payload]:
        yield DELETE
        yield IndexDocument(index="Products", id="42", document={})

    parts, error = await until_the_bad_one(made())

    assert error is not None
    assert (parts, error.field) == ([1], "index")


async def test_others_in_the_event_loop_have_their_turn_before_the_first_round_trip_is_full() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await sizes(payloads(JOBS_PER_CALL - 1)) == [JOBS_PER_CALL - 1]
    task.cancel()

    assert turns >= 10
