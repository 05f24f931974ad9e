"""Documents on their way through a transform, or to the byte as they are."""

from typing import Any

from worker.registry import Record
from worker.reindexing.converting import of_hits, of_records
from worker.reindexing.pages import Hit
from worker.reindexing.writing import Copy, Rejected

LONG = 12345678901234567890123


async def test_without_a_transform_not_a_byte_changes() -> None:
    hit = Hit("1", "r", 7, b'{ "a" : 1.10 }')

    converted = await of_hits([hit], None)

    assert converted.copies == [Copy("1", "r", 7, b'{ "a" : 1.10 }')]
    assert converted.kept() is converted


async def test_a_transform_keeps_long_numbers_and_may_drop() -> None:
    async def change(document: dict[str, Any]) -> dict[str, Any] | None:
        return {"b": document["a"]} if document["a"] != 2 else None

    hits = [Hit("1", None, 7, b'{"a":%d}' % LONG), Hit("2", "r", 8, b'{"a":2}')]

    converted = await of_hits(hits, change)

    assert converted.copies == [Copy("1", None, 7, b'{"b":%d}' % LONG), Copy("2", "r", 8, None)]
    assert converted.dropped == 1
    assert converted.kept().copies == converted.copies[:1]


async def test_what_a_transform_raises_concerns_its_document_alone() -> None:
    async def change(document: dict[str, Any]) -> Any:
        match document["a"]:
            case 1:
                raise KeyError("price")
            case 2:
                return ["no document"]
            case 3:
                return {"a": float("nan")}
        return document

    converted = await of_hits([Hit(f"{n}", None, 1, b'{"a":%d}' % n) for n in range(1, 5)], change)

    assert [copy.id for copy in converted.copies] == ["4"]
    assert [(one.id, one.type) for one in converted.failed] == [(id, "transform_failed") for id in "123"]
    assert converted.failed[0] == Rejected("1", "transform_failed", "KeyError: 'price'")


async def test_records_have_the_version_of_the_moment_and_gone_ones_no_source() -> None:
    records = [Record("1", {"a": 1}, "r"), Record("2", None)]

    converted = await of_records(records, 99, None)

    assert converted.copies == [Copy("1", "r", 99, b'{"a":1}', pipeline=True), Copy("2", None, 99, None)]


async def test_a_transform_does_not_change_the_sources_own_record() -> None:
    async def change(document: dict[str, Any]) -> dict[str, Any]:
        document["b"] = document.pop("a")
        return document

    record = Record("1", {"a": 1})

    await of_records([record], 1, change)

    assert record.document == {"a": 1}
