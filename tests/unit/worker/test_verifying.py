"""What differs between records and documents, told by content and not by the way that JSON is written."""

import pytest

from worker.records import BadRecord
from worker.registry import Record
from worker.reindexing.pages import Hit
from worker.verifying.comparing import Difference, Kind, content_hash, extra, from_source, misrouted
from worker.verifying.findings import Findings, Place


def hit(id: str, source: bytes = b"{}", routing: str | None = None) -> Hit:
    return Hit(id, routing, 1, source)


@pytest.mark.parametrize(
    ("record", "stored"),
    [
        ({"a": 1, "b": {"c": [1, 2], "d": None}}, b'{"b":{"d":null,"c":[1,2]},"a":1}'),
        ({"big": 2**80, "b": "\u00e9"}, b'{"b":"\\u00e9","big":1208925819614629174706176}'),
        ({"line": "a\nb"}, b'{\n  "line": "a\\nb"\n}'),
    ],
)
def test_equal_contents_are_equal_however_they_are_written(record: dict[str, object], stored: bytes) -> None:
    assert from_source([Record("1", record)], [hit("1", stored)]) == []


@pytest.mark.parametrize(
    ("record", "stored"),
    [
        ({"a": 1}, b'{"a":2}'),
        ({"a": 1}, b'{"a":1,"b":2}'),
        ({"a": 1}, b'{"a":true}'),
        ({"a": 1}, b'{"a":1.0}'),
        ({"a": [1, 2]}, b'{"a":[2,1]}'),
        ({"a": 2**80}, b'{"a":1208925819614629174706177}'),
    ],
)
def test_other_contents_are_different(record: dict[str, object], stored: bytes) -> None:
    found = from_source([Record("1", record, "r")], [hit("1", stored)])

    assert found == [Difference(Kind.DIFFERENT, "1", "r")]


def test_what_only_one_side_has_is_missing_or_extra() -> None:
    records = [Record("gone", None), Record("gone too", None), Record("new", {})]

    found = from_source(records, [hit("gone"), None, None])

    assert found == [Difference(Kind.EXTRA, "gone", None), Difference(Kind.MISSING, "new", None)]


def test_a_document_under_another_routing_is_extra() -> None:
    records = {"1": Record("1", {}, "right"), "2": Record("2", {})}

    hits = [hit("1", routing="wrong"), hit("1", routing="right"), hit("2"), hit("3")]

    assert misrouted(hits, records) == hits[:1]
    assert extra(hits, records, {}) == [
        Difference(Kind.EXTRA, "1", "wrong"),
        Difference(Kind.EXTRA, "3", None),
    ]


def test_a_document_under_the_routing_of_an_alias_is_where_its_record_is() -> None:
    records = {"1": Record("1", {}), "2": Record("2", {})}
    hits = [hit("1", routing="r"), hit("2", routing="stray")]

    found = extra(hits, records, {"1": "r", "2": None})

    assert found == [Difference(Kind.EXTRA, "2", "stray")]


def test_a_record_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(BadRecord, match="'7'"):
        from_source([Record("7", {"a": {1, 2}})], [hit("7")])


def test_a_hash_does_not_mistake_one_content_for_another() -> None:
    contents = [{}, {"a": None}, {"a": ""}, {"a": 0}, {"a": False}, {"a": []}, {"a": {}}, {"": "a"}]

    assert len({content_hash(content) for content in contents}) == len(contents)


def test_findings_count_all_and_name_the_first() -> None:
    findings = Findings()
    findings.add(Difference(Kind.MISSING, str(n), None) for n in range(150))

    assert findings.total == findings.counts[Kind.MISSING] == 150
    assert findings.to_wire()["ids"] == {"missing": [str(n) for n in range(100)]}


def test_a_place_is_read_as_it_was_stored() -> None:
    place = Place("products", "shop", 1.5, True, "index", [7], "pit", 30, 40, 0)
    place.findings.add([Difference(Kind.EXTRA, "1", None)])

    assert Place.from_json(place.to_json()) == place
