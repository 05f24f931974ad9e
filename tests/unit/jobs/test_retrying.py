"""Dead letter to new job: what goes onto the queue again, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobs import (
    BulkWrite,
    DeadKind,
    DeadLetter,
    DeleteDocument,
    IndexDocument,
    InvalidJob,
    LoadDocuments,
    Outcome,
    Payload,
    Rejection,
    Report,
    UnreadableJob,
    UpdateDocument,
)
from jobs.envelope import document_key, encode_job, serialize
from jobs.report import refusal
from jobs.retrying import NewJob, new_job, read_old

INDEX = IndexDocument(index="products", id="42", document={"price": 12, "big": 2**80, "text": "Größe"})
BULK = BulkWrite(
    index="products",
    actions=(
        INDEX,
        DeleteDocument(index="products", id="41"),
        UpdateDocument(index="products", id="43", doc={"price": 1}),
        DeleteDocument(index="products", id="44"),
    ),
)
REFUSED = refusal("document_parsing_exception", "why", index="products", id="42")
LETTER = DeadLetter("old", DeadKind.REJECTED, "index", 1.0, 1, 100, REFUSED)
NUMBER = 1_795_231_312_209_001


def stored(payload: Payload) -> bytes:
    return b"P1 %d key\n" % NUMBER + encode_job(payload, enqueued_ms=5)


def retried(
    raw: bytes, letter: DeadLetter = LETTER, *, max_bytes: int = 10_000, keep: bool = False
) -> NewJob:
    return new_job(letter, raw, enqueued_ms=7, max_bytes=max_bytes, keep_number=keep)


def bulk_letter(*positions: int) -> DeadLetter:
    rejections = tuple(Rejection("type", "why", "products", "x", position) for position in positions)
    report = Report(outcome=Outcome.REJECTED, counts={"rejected": len(positions)}, rejected=rejections)
    return replace(LETTER, name="bulk", report=report)


def test_a_single_job_goes_as_it_was_and_names_the_old_one() -> None:
    job = retried(stored(INDEX))

    assert json.loads(job.body) == {
        "f": "index", "t": None, "a": [], "et": 7, "retry_of": "old", "k": INDEX.arguments(),
    }  # fmt: skip
    assert (job.actions, job.keys, job.number) == (1, f" {document_key('products', '42')}", None)


def test_the_worker_reads_the_rest_of_a_job_from_its_arguments_so_they_come_last() -> None:
    assert retried(stored(INDEX)).body.endswith(b"}}")
    assert list(json.loads(retried(stored(BULK), bulk_letter(1), keep=True).body))[-1] == "k"


def test_of_a_bulk_only_the_rejected_actions_go() -> None:
    job = retried(stored(BULK), bulk_letter(0, 2))

    arguments = json.loads(job.body)["k"]
    assert [(action["op"], action["id"]) for action in arguments["actions"]] == [
        ("index", "42"),
        ("update", "43"),
    ]
    assert arguments["index"] == "products"
    assert job.actions == 2
    assert job.keys == f" {document_key('products', '42')} {document_key('products', '43')}"


def test_of_a_load_only_the_rejected_ids_go_and_a_worker_names_their_documents() -> None:
    load = LoadDocuments(source="shop", ids=("1", "2", "3"))

    job = retried(stored(load), bulk_letter(0, 2))

    assert json.loads(job.body)["k"] == {"source": "shop", "ids": ["1", "3"]}
    assert (job.actions, job.keys) == (0, "")


@pytest.mark.parametrize(
    "letter",
    [
        replace(LETTER, name="bulk", report=refusal("invalid_job", "why")),
        replace(bulk_letter(1), kind=DeadKind.CRASHER),
    ],
)
def test_a_bulk_whose_actions_had_no_answers_goes_as_a_whole(letter: DeadLetter) -> None:
    assert retried(stored(BULK), letter).actions == 4


def test_the_number_is_kept_only_if_asked() -> None:
    job = retried(stored(INDEX), keep=True)

    assert job.number == NUMBER
    assert json.loads(job.body)["keep"] is True
    assert "positions" not in json.loads(job.body)


def test_a_part_of_a_bulk_that_keeps_its_numbers_tells_their_places() -> None:
    job = retried(stored(BULK), bulk_letter(1, 3), keep=True)

    assert job.number == NUMBER
    assert json.loads(job.body)["positions"] == [1, 3]


@pytest.mark.parametrize(("again", "places"), [((0,), [1]), ((1,), [3]), ((0, 1), [1, 3]), (None, [1, 3])])
def test_a_retry_that_kept_its_number_and_died_keeps_its_places_in_the_first_bulk(
    again: tuple[int, ...] | None, places: list[int]
) -> None:
    first = retried(stored(BULK), bulk_letter(1, 3), keep=True)
    raw = b"P1 %d%s\n" % (NUMBER, first.keys.encode()) + first.body
    crashed = replace(LETTER, kind=DeadKind.CRASHER, name="bulk")

    second = retried(raw, bulk_letter(*again) if again else crashed, keep=True)

    assert second.number == NUMBER
    assert json.loads(second.body)["positions"] == places
    assert "positions" not in json.loads(retried(raw, crashed).body)


@pytest.mark.parametrize("positions", [[1], "1,3", {}])
def test_places_that_do_not_fit_the_actions_are_refused(positions: Any) -> None:
    members = {"f": "bulk", "t": None, "a": [], "et": 1, "keep": True, "positions": positions}
    raw = b"P1 7 a b\n" + serialize(members | {"k": BULK.arguments()})

    with pytest.raises(UnreadableJob, match="a position for each action"):
        retried(raw, bulk_letter(1), keep=True)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (stored(INDEX.model_copy(update={"create": True})), "a create needs"),
        (stored(LoadDocuments(source="shop", ids=("1",))), "only a job that writes documents"),
        (encode_job(INDEX, enqueued_ms=5), "died before it got a number"),
        (serialize({"f": "mine", "t": None, "a": [], "k": {}, "et": 1}), "only a job that writes documents"),
    ],
)
def test_a_number_that_cannot_be_kept_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidJob, match=reason) as caught:
        retried(raw, keep=True)
    assert caught.value.field == "keep_number"
    retried(raw)


def test_a_function_of_somebodys_goes_as_it_is() -> None:
    members = {"f": "send_mail", "t": 2, "a": ["x", 1], "k": {"to": "y"}, "et": 1}

    job = retried(serialize(members), replace(LETTER, kind=DeadKind.UNKNOWN, name="send_mail"))

    assert json.loads(job.body) == members | {"t": None, "et": 7, "retry_of": "old"}
    assert (job.actions, job.keys) == (1, "")


def test_a_damaged_first_line_does_not_keep_a_payload_from_being_retried() -> None:
    body = encode_job(INDEX, enqueued_ms=5)
    for first_line in (
        b"P1 x\n",
        b"P1 \xff\n",
        b"P1 1.5 key\n",
        b"P1 99999999999999999 key\n",
        b"P1 7x key\n",
    ):
        assert json.loads(retried(first_line + body).body)["k"] == INDEX.arguments()
        assert read_old(first_line + body).number is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x80\x04}.", b"{", b"[]", b"P1 7 key\n", b"P1 7 key", b"\xff",
     b'{"f": 1, "k": {}}', b'{"f": "index"}', b'{"f": "index", "k": {}, "a": 7}'],
)  # fmt: skip
def test_what_is_no_job_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableJob):
        retried(raw)


@pytest.mark.parametrize("positions", [(4,), (0, 99)])
def test_a_report_that_does_not_fit_the_job_is_refused(positions: tuple[int, ...]) -> None:
    with pytest.raises(UnreadableJob, match="actions that the stored job has not"):
        retried(stored(BULK), bulk_letter(*positions))
    with pytest.raises(UnreadableJob, match="actions that the stored job has not"):
        retried(stored(INDEX), bulk_letter(*positions))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"k": {"index": "Products", "id": "42", "document": {}}}, "index"),
        ({"k": {"index": "products", "id": "42", "document": {}}, "a": ["x"]}, "a"),
        ({"f": "bulk", "k": {"index": "products", "actions": [{"op": "sink"}]}}, "actions.0.op"),
    ],
)
def test_what_the_contract_forbids_is_refused_at_the_door(members: dict[str, Any], field: str) -> None:
    raw = json.dumps({"f": "index", "t": None, "a": [], "et": 1} | members).encode()

    with pytest.raises(InvalidJob) as caught:
        retried(raw)
    assert caught.value.field == field


def test_a_job_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(InvalidJob, match=r"^job: a job can have 50 bytes at the most, got \d+$"):
        retried(stored(INDEX), max_bytes=50)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidJob, match="JSON can't hold it"):
        retried(b'{"f": "mine", "k": {"x": NaN}}')
