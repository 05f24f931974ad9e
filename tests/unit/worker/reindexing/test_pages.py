"""Pages of an index, against answers that a real server can't be made to give, and how large a page is."""

from typing import Any

import orjson
import pytest
from elasticsearch import ApiError, AsyncElasticsearch

from worker.reindexing.pages import (
    Hit,
    IncompletePage,
    Page,
    PageSize,
    PointInTime,
    PointInTimeLost,
    Unreadable,
    read_now,
)

SHARDS = {"total": 2, "successful": 2, "skipped": 0, "failed": 0}
ODD = b'{"n": 12345678901234567890123456789, "d":0.100000000000000000000000000001 ,"e":1E2}'


def raw_page(*hits: bytes, shards: Any = None, timed_out: bool = False) -> bytes:
    head = orjson.dumps({"pit_id": "next", "timed_out": timed_out, "_shards": shards or SHARDS})[:-1]
    return head + b',"hits":{"hits":[' + b",".join(hits) + b"]}}"


def raw_hit(id: str, source: bytes | None = ODD, routing: str | None = None) -> bytes:
    members = {"_index": "i", "_id": id, "_version": 7, "_ignored": ["x"], "sort": [4]}
    if routing is not None:
        members["_routing"] = routing
    return orjson.dumps(members)[:-1] + (b"}" if source is None else b',"_source":' + source + b"}")


@pytest.fixture
def point(client: AsyncElasticsearch) -> PointInTime:
    """A point in time on the client of this test."""
    return PointInTime(client, "first")


async def test_sources_come_as_the_bytes_they_are(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("ü/\n", routing="ä b"), raw_hit("2", b"{}")))

    page = await point.page(None, size=2, slice=(1, 3))

    assert page == Page([Hit("ü/\n", "ä b", 7, ODD), Hit("2", None, 7, b"{}")], [4])
    (asked,) = far_end.lines(0)
    assert asked["slice"] == {"field": "_seq_no", "id": 1, "max": 3}
    assert asked["_source"] == {"exclude_vectors": False}
    assert "search_after" not in asked


async def test_the_next_page_uses_the_id_and_the_place_of_the_last(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("1")))
    far_end.answer(raw_page())

    first = await point.page(None, size=1, slice=(0, 1))
    last = await point.page(first.after, size=1)

    assert last == Page([], None)
    (asked,) = far_end.lines(1)
    assert (asked["pit"]["id"], asked["search_after"]) == ("next", [4])
    assert "slice" not in far_end.lines(0)[0]


async def test_a_short_page_is_the_last(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("1")))

    assert (await point.page(None, size=2)).after is None


async def test_without_sources_there_are_none(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("1", None)))

    assert (await point.page(None, size=2, sources=False)).hits == [Hit("1", None, 7, b"")]


@pytest.mark.parametrize(
    "answer",
    [
        raw_page(timed_out=True),
        raw_page(shards=SHARDS | {"failed": 1, "failures": [{"reason": {"type": "other"}}]}),
        raw_page(shards=SHARDS | {"successful": 1}),
        raw_page(raw_hit("1"))[:-30],
    ],
)
async def test_an_answer_with_parts_missing_is_no_page(
    point: PointInTime, far_end: Any, answer: bytes
) -> None:
    far_end.answer(answer)

    with pytest.raises(IncompletePage):
        await point.page(None, size=5)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": {"root_cause": [{"type": "search_context_missing_exception"}]}, "status": 404}, 404),
        ({"error": {"failed_shards": [{"reason": {"type": "search_context_missing_exception"}}]}}, 503),
        ({"error": {"type": "search_context_missing_nodes_exception"}}, 404),
        (
            raw_page(
                shards=SHARDS
                | {"failed": 1, "failures": [{"reason": {"type": "search_context_missing_exception"}}]}
            ),
            200,
        ),
    ],
)
async def test_a_forgotten_point_in_time_is_told_from_other_troubles(
    point: PointInTime, far_end: Any, answer: Any, status: int
) -> None:
    far_end.answer(answer, status=status)

    with pytest.raises(PointInTimeLost):
        await point.page(None, size=5)


async def test_another_error_is_raised_with_its_type(point: PointInTime, far_end: Any) -> None:
    far_end.answer({"error": {"type": "index_not_found_exception"}, "status": 404}, status=404)

    with pytest.raises(ApiError) as caught:
        await point.page(None, size=5)
    assert caught.value.body["error"]["type"] == "index_not_found_exception"


async def test_a_document_without_source_is_named(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("the one", None)))

    with pytest.raises(Unreadable, match="'the one' has no source"):
        await point.page(None, size=5)


async def test_half_a_surrogate_pair_comes_as_it_is(point: PointInTime, far_end: Any) -> None:
    half, pair, escaped = b'{"t":"\\ud800","u":"\\ue800"}', b'{"t":"\\ud83d\\ude00"}', b'{"t":"\\\\uD800"}'
    far_end.answer(raw_page(*(raw_hit("é", one) for one in (half, b"{}", pair, escaped, half))))

    page = await point.page(None, size=9)

    assert [hit.source for hit in page.hits] == [half, b"{}", pair, escaped, half]
    assert {hit.id for hit in page.hits} == {"é"}


async def test_comments_in_a_document_are_refused_for_good(point: PointInTime, far_end: Any) -> None:
    far_end.answer(raw_page(raw_hit("1", b'{"a":1 // one\n}')))

    with pytest.raises(Unreadable, match="comments"):
        await point.page(None, size=5)


async def test_documents_are_read_in_the_order_they_are_wanted(
    client: AsyncElasticsearch, far_end: Any
) -> None:
    found = raw_hit("a")[:-1] + b',"found":true}'
    far_end.answer(b'{"docs":[{"_id":"b","found":false},' + found + b"]}")

    assert await read_now(client, "i", [("b", "r"), ("a", None)]) == [None, Hit("a", None, 7, ODD)]
    assert far_end.lines(0) == [
        {"docs": [{"_index": "i", "_id": "b", "routing": "r"}, {"_index": "i", "_id": "a"}]}
    ]
    assert await read_now(client, "i", []) == []


async def test_an_older_server_is_asked_again_without_the_wish_for_vectors(
    client: AsyncElasticsearch, point: PointInTime, far_end: Any
) -> None:
    looks = b'{"docs":[' + raw_hit("1")[:-1] + b',"found":true}]}'
    for reason, answer in (
        ("Unknown key for a VALUE_BOOLEAN in [exclude_vectors].", raw_page(raw_hit("1"))),
        ("request [/_mget] contains unrecognized parameter: [_source_exclude_vectors]", looks),
    ):
        far_end.answer({"error": {"reason": reason}, "status": 400}, status=400)
        far_end.answer(answer)

    page = await point.page(None, size=2)
    found = await read_now(client, "i", [("1", None)])

    assert page.hits == found == [Hit("1", None, 7, ODD)]
    assert far_end.lines(1) == [far_end.lines(0)[0] | {"_source": True}]
    assert [path for _, path, _ in far_end.asked[2:]] == ["/_mget?_source_exclude_vectors=false", "/_mget"]


async def test_another_refusal_is_not_asked_again(client: AsyncElasticsearch, far_end: Any) -> None:
    far_end.answer({"error": {"type": "illegal_argument_exception"}, "status": 400}, status=400)

    with pytest.raises(ApiError):
        await read_now(client, "i", [("1", None)])
    assert len(far_end.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [b'{"docs":[{"_id":"a","error":{"type":"no_shard_available_action_exception"}}]}', b'{"docs":[]}'],
)
async def test_a_document_that_can_not_be_looked_at_is_not_taken_for_missing(
    client: AsyncElasticsearch, far_end: Any, answer: bytes
) -> None:
    far_end.answer(answer)

    with pytest.raises(IncompletePage):
        await read_now(client, "i", [("a", None)])


async def test_a_document_that_had_to_have_a_routing_is_not_there(
    client: AsyncElasticsearch, far_end: Any
) -> None:
    far_end.answer(b'{"docs":[{"_id":"a","error":{"type":"routing_missing_exception"}}]}')

    assert await read_now(client, "i", [("a", None)]) == [None]


async def test_an_index_of_which_no_document_can_be_read_is_named_with_the_reason(
    client: AsyncElasticsearch, far_end: Any
) -> None:
    error = {"type": "illegal_argument_exception", "reason": "alias [products] has more than one index"}
    far_end.answer({"docs": [{"_id": "a", "error": error}]})

    with pytest.raises(Unreadable, match=r"^documents of products can't be read .* more than one index"):
        await read_now(client, "products", [("a", None)])


async def test_documents_can_be_looked_at_without_their_sources(
    client: AsyncElasticsearch, far_end: Any
) -> None:
    far_end.answer(b'{"docs":[' + raw_hit("a", None)[:-1] + b',"found":true}]}')

    assert await read_now(client, "i", [("a", None)], sources=False) == [Hit("a", None, 7, b"")]
    assert [path for _, path, _ in far_end.asked] == ["/_mget?_source=false"]


def page_of(count: int, size: int) -> Page:
    return Page([Hit("1", None, 1, b"x" * size)] * count, None)


def test_pages_grow_to_the_most_bytes_and_shrink_at_once() -> None:
    size = PageSize(most_documents=1000, most_bytes=100_000)
    sizes = [size.documents]
    for bytes_each in (200, 200, 200, 50_000, 500_000, 10):
        size.learn(page_of(size.documents, bytes_each))
        sizes.append(size.documents)
    size.learn(page_of(0, 0))

    assert sizes == [50, 200, 500, 500, 2, 1, 4]
    assert size.documents == 4
