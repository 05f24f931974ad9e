"""Documents that travel as bytes: as a typed bulk would write them, and checked by the same rules."""

import pytest

from jobs import BulkWrite, IndexDocument, InvalidJob
from jobs.entries import entry_of
from jobs.envelope import document_keys, encode_job
from jobs.raw import RawBulk, RawDocument

STRANGE = 'é"\\\n\x00 \u2028😀'


def test_a_raw_bulk_is_the_same_job_as_the_typed_one() -> None:
    typed = BulkWrite(
        index="products",
        actions=(
            IndexDocument(index="products", id="1", document={"name": "Täp"}),
            IndexDocument(index="products", id=STRANGE, routing=STRANGE, document={}),
        ),
    )
    raw = RawBulk(
        "products",
        (
            RawDocument("1", None, '{"name":"Täp"}'.encode()),
            RawDocument(STRANGE, STRANGE, b"{}"),
        ),
    )

    assert encode_job(raw, enqueued_ms=9) == encode_job(typed, enqueued_ms=9)
    assert document_keys(raw) == document_keys(typed)
    head, _, body = entry_of(raw, "key", 1000).stored.partition(b"\n")
    assert head.split()[1:] == [b"2", *(key.encode() for key in document_keys(typed))]
    assert RawDocument("1", None, b'{"d":0.10}').to_wire() in encode_job(
        RawBulk("i", (RawDocument("1", None, b'{"d":0.10}'),)), enqueued_ms=9
    )
    assert body


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (RawDocument("", None, b"{}"), "id"),
        (RawDocument("é" * 257, None, b"{}"), "id"),
        (RawDocument("\ud800", None, b"{}"), "id"),
        (RawDocument("1", "", b"{}"), "routing"),
    ],
)
def test_a_bad_id_or_routing_is_refused(document: RawDocument, field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        document.checked()
    assert caught.value.field == field


def test_a_bad_index_is_refused_and_so_is_a_job_that_is_too_large() -> None:
    with pytest.raises(InvalidJob, match="index"):
        RawBulk("Big", ())
    with pytest.raises(InvalidJob, match="at the most"):
        entry_of(RawBulk("i", (RawDocument("1", None, b"{}" + b" " * 500),)), None, 400)
