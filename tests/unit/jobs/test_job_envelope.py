"""A job as it is stored: arq's members in JSON after a first line, a size limit, damage, and pickle."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from jobs import DeleteDocument, IndexDocument, InvalidJob, UnreadableJob, deserialize, serialize
from jobs.envelope import DEFAULT_MAX_JOB_BYTES, document_key, encode_job, index_key, loads, split

PAYLOAD = IndexDocument(index="products", id="42", document={"name": "Hahn Größe ½"})
BODY = encode_job(PAYLOAD, enqueued_ms=1_795_231_312_209)


class WritesAFile:
    """A pickle of this runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_job_has_arqs_members_and_reads_well() -> None:
    assert BODY.decode() == (
        '{"f":"index","t":null,"a":[],"et":1795231312209,'
        '"k":{"index":"products","id":"42","document":{"name":"Hahn Größe ½"}}}'
    )


def test_a_job_with_its_first_line_is_split_into_its_parts() -> None:
    stored = split(b"P1 1795231312209001 keyA keyB\n" + BODY)

    assert stored == (1_795_231_312_209_001, ("keyA", "keyB"), BODY)


def test_a_job_without_a_first_line_has_no_number_yet() -> None:
    assert split(BODY) == (None, (), BODY)


def test_a_line_break_in_the_document_is_no_second_first_line() -> None:
    body = encode_job(IndexDocument(index="products", id="42", document={"name": "a\nP1 b"}), enqueued_ms=1)

    assert split(b"P1 7 key\n" + body) == (7, ("key",), body)
    assert b"\n" not in body


@pytest.mark.parametrize("header", [b"P1 ", b"P1 x", b"P1 1.5 key", b"P1 \xff", "P1 ½".encode()])
def test_a_damaged_first_line_is_refused_and_shown(header: bytes) -> None:
    with pytest.raises(UnreadableJob, match="the first line is damaged"):
        split(header + b"\n" + BODY)


def test_a_long_damaged_line_is_shown_in_part() -> None:
    with pytest.raises(UnreadableJob) as caught:
        split(b"P1 " + b"x" * 100_000)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_its_code_never_runs(protocol: int, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    raw = pickle.dumps({"f": "index", "t": None, "a": (), "k": WritesAFile(trap), "et": 1}, protocol)

    for stored in (raw, b"P1 7 key\n" + raw):
        with pytest.raises(
            UnreadableJob, match="a pickle, which is never loaded" if protocol > 1 else "not JSON"
        ):
            deserialize(stored)
    assert not trap.exists()
    pickle.loads(raw)
    assert trap.exists(), "the trap itself must work"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"{", b"\xff\xfe", b"nonsense", b"[" * 100_000, b'{"a":' + b"9" * 5_000 + b"}", b"P1 7 key"],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(UnreadableJob):
        deserialize(garbage)


@pytest.mark.parametrize("other", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_refused(other: bytes) -> None:
    with pytest.raises(UnreadableJob, match="expected a JSON object"):
        deserialize(other)


def test_what_is_unreadable_is_not_quoted() -> None:
    with pytest.raises(UnreadableJob) as caught:
        loads(b'{"password": "secret')

    assert "secret" not in str(caught.value)


def test_the_serializer_for_arq_writes_and_reads_its_members() -> None:
    members = {"f": "index", "t": None, "a": (), "k": PAYLOAD.arguments(), "et": 1}
    raw = serialize(members)

    assert json.loads(raw) == members | {"a": []}
    assert deserialize(raw) == members | {"a": []}
    assert deserialize(b"P1 7 key\n" + raw) == members | {"a": []}


@pytest.mark.parametrize("value", [float("nan"), {1}, b"x", object(), "\ud800"])
def test_the_serializer_for_arq_raises_on_what_json_cannot_hold(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        serialize({"f": "index", "t": None, "a": (), "k": {"document": value}, "et": 1})


def test_a_job_over_ten_mebibytes_is_refused_with_its_size() -> None:
    empty = len(encode_job(PAYLOAD.model_copy(update={"document": {"text": ""}}), enqueued_ms=1))
    fits = {"text": "x" * (DEFAULT_MAX_JOB_BYTES - empty)}

    assert len(encode_job(PAYLOAD.model_copy(update={"document": fits}), enqueued_ms=1)) == 10 * 1024 * 1024
    with pytest.raises(InvalidJob, match=r"^job: a job can have 10485760 bytes at the most, got 10485761$"):
        encode_job(PAYLOAD.model_copy(update={"document": {"text": fits["text"] + "x"}}), enqueued_ms=1)


def test_the_size_counts_bytes_of_utf8() -> None:
    payload = IndexDocument(index="products", id="42", document={"text": "é" * 100})
    size = len(encode_job(payload, enqueued_ms=1))

    assert size > 200
    encode_job(payload, enqueued_ms=1, max_bytes=size)
    with pytest.raises(InvalidJob):
        encode_job(payload, enqueued_ms=1, max_bytes=size - 1)


def test_equal_documents_have_equal_keys_and_others_have_others() -> None:
    assert document_key("products", "42") == document_key("products", "42")
    pairs = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a"), ("products", "é"), ("products", "e")]
    assert len({document_key(*pair) for pair in pairs}) == len(pairs)


def test_a_document_key_is_sixteen_characters_without_a_space() -> None:
    for number in range(1_000):
        key = document_key("products", f"{number} é😀")
        assert len(key) == 16
        assert key.isascii()
        assert not set(key) & set(" \n")


def test_a_document_key_begins_with_the_key_of_its_index() -> None:
    assert {document_key("products", id)[:4] for id in ("1", "2", "é")} == {index_key("products")}
    assert len({index_key(name) for name in ("products", "product", "orders", "ördnung")}) == 4


def test_routing_makes_no_other_key() -> None:
    assert document_key("products", "1") == document_key(
        *[getattr(DeleteDocument(index="products", id="1", routing="a"), name) for name in ("index", "id")]
    )
