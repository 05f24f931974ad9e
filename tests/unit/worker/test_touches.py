"""What an ended job leaves behind for a reindex, and who gets it."""

import pytest

from jobs import BulkWrite, DeleteDocument, IndexDocument, LoadDocuments, UpdateDocument
from jobs.envelope import document_key, document_keys, encode_job
from jobs.models import Payload
from worker.actions import VERSIONS_PER_NUMBER
from worker.touches import Gathered, Touch, UntoldDocuments, Wanted, member_of, read_member
from worker.unread import read_touches

WANTED = Wanted.read(b"sum\nr1 products\nr2 products\nr2 orders")
PRODUCT = document_key("products", "1").encode()


def stored(payload: Payload, number: int = 7, keys: tuple[str, ...] | None = None) -> bytes:
    header = " ".join(["P1", str(number), *(document_keys(payload) if keys is None else keys)])
    return header.encode() + b"\n" + encode_job(payload, enqueued_ms=1)


@pytest.mark.parametrize(
    ("id", "routing"),
    [("1", None), ("1", ""), ("1", "1"), ("-1", None), ("3:ab", "ab:"), ("é\0\n ", "ü:"), ("12:", "1")],
)
def test_a_member_tells_id_and_routing(id: str, routing: str | None) -> None:
    assert read_member(member_of(id, routing)) == (id, routing)


def test_no_two_documents_have_the_same_member() -> None:
    texts = ["", "a", "1", ":", "1:", "-", "-a", "0:", "a1:"]
    pairs = [(id, routing) for id in texts for routing in (None, *texts)]
    assert len({member_of(*pair) for pair in pairs}) == len(pairs)


def test_nobody_wants_to_know_where_nothing_is_stored() -> None:
    assert Wanted.read(b"") == Wanted() == (b"", {}, {})


def test_a_touch_goes_to_all_that_its_index_name_concerns() -> None:
    gathered = Gathered(WANTED)
    gathered.add(b"j1", PRODUCT, [("products", "1", None, 0), ("products", "2", "r", 5)])
    gathered.add(b"j2", b"", [("orders", "3", None, 0), ("others", "4", None, 0)])

    one, two, three = b"-1", b"1:r2", b"-3"
    r1 = ["r1", 2, 0, one, 0, two, 5]
    assert gathered.arguments() == [*r1, "r2", 3, 0, one, 0, two, 5, three, 0]


def test_of_several_touches_of_a_document_the_highest_delete_counts() -> None:
    gathered = Gathered(Wanted.read(b"sum\nr1 products"))
    for version in (3, 9, 0):
        gathered.add(b"j", PRODUCT, [("products", "1", None, version)])

    assert gathered.arguments() == ["r1", 1, 0, b"-1", 9]


def test_what_cannot_be_told_is_said_to_those_that_its_index_concerns() -> None:
    def touches() -> list[Touch]:
        raise UntoldDocuments

    gathered = Gathered(WANTED)
    gathered.add(b"j1", PRODUCT, touches)
    gathered.add(b"j2", document_key("others", "1").encode(), touches)

    assert gathered.arguments() == ["r1", 0, 1, b"j1", "r2", 0, 1, b"j1"]


def test_nothing_is_read_for_an_index_that_nobody_asks_for() -> None:
    def touches() -> list[Touch]:
        raise AssertionError("read in vain")

    gathered = Gathered(WANTED)
    gathered.add(b"j2", document_key("others", "1").encode(), touches)

    assert gathered.arguments() == []


@pytest.mark.parametrize("deadly", [False, True])
def test_a_job_that_was_not_run_here_is_read(deadly: bool) -> None:
    job = BulkWrite(
        index="i",
        actions=(
            IndexDocument(index="i", id="a", routing="r", document={"id": "z"}),
            DeleteDocument(index="i", id="b"),
            UpdateDocument(index="i", id="c", doc={}),
        ),
    )

    touches = read_touches(stored(job), begun=True, deadly=deadly)

    expected = [("i", "a", "r", 0), ("i", "b", None, 8 * VERSIONS_PER_NUMBER), ("i", "c", None, 0)]
    assert touches == expected


LARGE = stored(IndexDocument(index="i", id="a", document={"text": "x" * 300_000}))


@pytest.mark.parametrize(
    ("raw", "deadly"),
    [
        (b"P1 7 key\nno JSON", False),
        (LARGE, True),
        (stored(LoadDocuments(source="s", ids=("1",)), keys=("key",)), False),
        (stored(DeleteDocument(index="i", id="a"), keys=("k1", "k2")), False),
    ],
)
def test_where_it_cannot_be_read_its_documents_are_untold_once_a_worker_had_it(
    raw: bytes, deadly: bool
) -> None:
    with pytest.raises(UntoldDocuments):
        read_touches(raw, begun=True, deadly=deadly)

    assert read_touches(raw, begun=False, deadly=deadly) == ()


def test_a_large_one_that_kills_nobody_is_read() -> None:
    assert read_touches(LARGE, begun=True, deadly=False) == [("i", "a", None, 0)]
