"""Copies and what became of them, against answers that a real server can't be made to give."""

from typing import Any

import elastic_transport
import orjson
import pytest
from elasticsearch import ApiError, AsyncElasticsearch

from worker.backoff import Backoff
from worker.reindexing.writing import Copy, Rejected, Written, cut, one_line, write_copies

BACKOFF = Backoff(1.0, 4.0, lambda: 0.5)
CREATED = {"index": {"status": 201, "result": "created"}}
NEWER = {"index": {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "r"}}}
BAD = {"index": {"status": 400, "error": {"type": "document_parsing_exception", "reason": "no date"}}}
BUSY = {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "r"}}}
AWAY = {"index": {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "r"}}}
FULL = {"index": {"status": 429, "error": {"type": "cluster_block_exception", "reason": "disk"}}}
NO_RIGHT = {"index": {"status": 403, "error": {"type": "security_exception", "reason": "no"}}}
GONE = {"delete": {"status": 404, "result": "not_found"}}
REFUSAL = {"error": {"type": "illegal_argument_exception", "reason": "malformed"}}


def copies(*ids: str) -> list[Copy]:
    return [Copy(id, None, 5, b'{"a":1}') for id in ids]


def items(*answers: Any) -> dict[str, Any]:
    return {"errors": False, "items": list(answers)}


class Writing:
    """`write_copies` on set answers, with the pauses that it made."""

    def __init__(self, client: AsyncElasticsearch, far_end: Any) -> None:
        self.client, self.far_end = client, far_end
        self.pauses: list[float] = []

    async def __call__(self, copies: list[Copy]) -> Written:
        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        return await write_copies(self.client, "new", copies, BACKOFF, sleep=sleep)

    def ids(self, request: int) -> list[str]:
        """The documents of one request."""
        return [line["index"]["_id"] for line in self.far_end.lines(request)[::2]]


@pytest.fixture
def write(client: AsyncElasticsearch, far_end: Any) -> Writing:
    """See Writing."""
    return Writing(client, far_end)


async def test_copies_carry_their_versions_routing_and_exact_bytes(write: Writing, far_end: Any) -> None:
    source = b'{"n": 12345678901234567890123456789, "d":0.10 }'
    far_end.answer(items(CREATED, GONE))

    found = await write([Copy("é", "r", 5, source), Copy("2", None, 6, None)])

    header, sent, removal = far_end.asked[0][2].splitlines()
    assert sent == source
    assert orjson.loads(header)["index"] == {
        "_index": "new",
        "_id": "é",
        "version": 5,
        "version_type": "external_gte",
        "routing": "r",
        "pipeline": "_none",
    }
    assert orjson.loads(removal)["delete"]["version"] == 6
    assert found == Written(written=1, newer=0, removed=1, rejected=[])


async def test_nothing_to_write_is_no_request(write: Writing, far_end: Any) -> None:
    assert await write([]) == Written(0, 0, 0, [])
    assert far_end.asked == []


async def test_a_newer_document_is_left_and_a_bad_one_rejected(write: Writing, far_end: Any) -> None:
    far_end.answer(items(CREATED, NEWER, BAD))

    assert await write(copies("1", "2", "3")) == Written(
        1, 1, 0, [Rejected("3", "document_parsing_exception", "no date")]
    )


async def test_a_removal_that_had_to_have_a_routing_has_nothing_to_remove(
    write: Writing, far_end: Any
) -> None:
    error = {"type": "routing_missing_exception", "reason": "routing is required for [new]/[1]"}
    far_end.answer(
        items({"delete": {"status": 400, "error": error}}, {"index": {"status": 400, "error": error}})
    )

    found = await write([Copy("1", None, 5, None), *copies("2")])

    assert found == Written(0, 0, 1, [Rejected("2", error["type"], error["reason"])])


@pytest.mark.parametrize("trouble", [BUSY, AWAY, FULL])
async def test_only_what_was_troubled_goes_again(write: Writing, far_end: Any, trouble: Any) -> None:
    far_end.answer(items(CREATED, trouble, CREATED))
    far_end.answer(items(trouble))
    far_end.answer(items(CREATED))

    assert (await write(copies("1", "2", "3"))).written == 3
    assert [write.ids(n) for n in range(3)] == [["1", "2", "3"], ["2"], ["2"]]
    assert len(write.pauses) == 2
    assert write.pauses[1] >= write.pauses[0] > 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (elastic_transport.ConnectionError("refused"), 0),
        (elastic_transport.ConnectionTimeout("too late"), 0),
        ({"error": {"type": "es_rejected_execution_exception"}}, 429),
        ({"error": {"type": "no"}}, 503),
        (items(CREATED), 200),
        (b'{"items"', 200),
    ],
)
async def test_a_request_without_a_clear_answer_goes_again(
    write: Writing, far_end: Any, body: Any, status: int
) -> None:
    far_end.answer(body, status=status)
    far_end.answer(items(CREATED, CREATED))

    assert (await write(copies("1", "2"))).written == 2
    assert write.ids(1) == ["1", "2"]


async def test_a_refused_request_is_halved_until_the_guilty_copy_stands_alone(
    write: Writing, far_end: Any
) -> None:
    for answer, status in [(REFUSAL, 400), (items(CREATED, CREATED), 200), (REFUSAL, 413), (REFUSAL, 400)]:
        far_end.answer(answer, status=status)
    far_end.answer(items(CREATED))

    found = await write(copies("1", "2", "3", "4"))

    assert found == Written(3, 0, 0, [Rejected("3", "illegal_argument_exception", "malformed")])
    assert [write.ids(n) for n in range(5)] == [["1", "2", "3", "4"], ["1", "2"], ["3", "4"], ["3"], ["4"]]
    assert write.pauses == []


async def test_a_copy_that_makes_elasticsearch_fail_is_tried_again_behind_the_others(
    write: Writing, far_end: Any
) -> None:
    failure = {"error": {"type": "null_pointer_exception"}}
    for answer, status in [(failure, 500), (failure, 500), (items(CREATED), 200), (items(CREATED), 200)]:
        far_end.answer(answer, status=status)

    assert (await write(copies("1", "2"))).written == 2
    assert [write.ids(n) for n in range(4)] == [["1", "2"], ["1"], ["2"], ["1"]]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_is_final_for_the_whole_is_raised(write: Writing, far_end: Any, status: int) -> None:
    far_end.answer({"error": {"type": "security_exception"}}, status=status)

    with pytest.raises(ApiError):
        await write(copies("1", "2"))


async def test_a_missing_right_on_the_index_rejects(write: Writing, far_end: Any) -> None:
    far_end.answer(items(NO_RIGHT))

    assert (await write(copies("1"))).rejected == [Rejected("1", "security_exception", "no")]


def test_a_source_of_several_lines_becomes_one_with_every_digit() -> None:
    source = b'{\r\n "n": 12345678901234567890123456789,\n "d": 0.10, "t": "a\\n b"\n}'

    assert one_line(source) == b'{   "n": 12345678901234567890123456789,  "d": 0.10, "t": "a\\n b" }'
    assert one_line(b'{"a" : 1 }') == b'{"a" : 1 }'


def test_parts_hold_to_a_count_and_to_bytes() -> None:
    large = Copy("l", None, 1, b"x" * 1000)

    assert [len(part) for part in cut(copies(*"abcde"), 2, 10_000)] == [2, 2, 1]
    assert [len(part) for part in cut([large, large, *copies(*"ab")], 100, 1200)] == [1, 1, 2]
    assert list(cut([], 1, 1)) == []
