"""Lines of an export: what is written comes back to the byte, and what is no document is told with why."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.raw import RawDocument
from worker.reindexing.pages import Hit
from worker.transfer.lines import BadLine, line_of, read_exported, reader_by_field

ODD = b'{"n": 12345678901234567890123456789, "d":0.100000000000000000000000000001 ,"e":-0.0, "f":1E2}'
DEEP = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VALUES = st.recursive(
    st.none() | st.integers(-(10**30), 10**30) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(deadline=None)
@given(id=TEXTS, routing=st.none() | TEXTS, document=st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_a_document_comes_back_to_the_byte(id: str, routing: str | None, document: dict[str, object]) -> None:
    source = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    line = line_of(Hit(id, routing, 1, source))

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert read_exported(line[:-1]) == RawDocument(id, routing, source)


def test_numbers_keep_every_digit_and_a_source_of_several_lines_becomes_one() -> None:
    assert read_exported(line_of(Hit("1", None, 1, ODD))).document == ODD
    assert line_of(Hit("1", None, 1, b'{\n "n":\n 1.10\n}')) == b'{"_id":"1","_source":{  "n":  1.10 }}\n'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"name":"Tap"}', "--id-field"),
        (b'{"_id":1,"_source":{}}', "_id"),
        (b'{"_id":"1"}', "_source"),
        (b'{"_id":"1","_source":[]}', "no JSON object"),
        (b'{"_id":"1","_source":{},"_version":3}', "_version"),
        (b'{"_id":"","_source":{}}', "empty"),
        (b'{"_id":"' + b"x" * 513 + b'","_source":{}}', "512"),
        (b'{"_id":"1","_routing":"","_source":{}}', "empty"),
        (b'{"_id":"1","_source":{"n":1e400}}', "can be written"),
        (b'{"_id":"1","_source":{"n":NaN}}', "not JSON"),
        (b'{"_id":"1","_source":{"t":"\\ud800"}}', "surrogate"),
        (b'{"_id":"1","_source":{"t":"\xff"}}', "can be written"),
        (b'{"_id":"1","_source":{}} {}', "not JSON"),
        (b'{"_id":"caf\xe9","_source":{}}', "not JSON: .*UTF-8"),
        (b'{"_id":"1","_source":{},"\xe9":1}', "not JSON: .*UTF-8"),
        pytest.param(b'{"_id":"1","_source":' + DEEP + b"}", "not JSON: .*depth", id="deep"),
    ],
)
def test_what_is_no_document_is_told_with_its_reason(line: bytes, reason: str) -> None:
    with pytest.raises(BadLine, match=reason):
        read_exported(line)


@pytest.mark.parametrize(
    ("field", "line", "id"),
    [
        ("sku", b'{"sku":"A 1","n":1}', "A 1"),
        ("sku", b'{"sku":"\\u00e9\\""}', 'é"'),
        ("n", b'{"n":1234567890123456789012345}', "1234567890123456789012345"),
        ("n", b'{"n":-5}', "-5"),
        ("a.b", b'{"a":{"b":"in"}}', "in"),
        ("a.b", b'{"a":{"b":"in"},"a.b":"out"}', "out"),
        ("a.b.c", b'{"a":{"b.c":"half"}}', "half"),
    ],
)
def test_a_plain_document_has_its_id_in_a_field(field: str, line: bytes, id: str) -> None:
    assert reader_by_field(field)(line) == RawDocument(id, None, line)


@pytest.mark.parametrize(
    ("field", "line", "reason"),
    [
        ("sku", b'{"n":1}', "has no sku"),
        ("a.b", b'{"a":1}', "has no a.b"),
        ("sku", b"[1]", "has no sku"),
        ("sku", b'{"sku":1.5}', "float"),
        ("sku", b'{"sku":null}', "NoneType"),
        ("sku", b'{"sku":""}', "empty"),
        ("sku", b'{"sku":"1"', "not JSON"),
        ("sku", b'{"\xe9":1,"sku":"1"}', "not JSON: .*UTF-8"),
        ("sku", b'{"sku":"caf\xe9"}', "sku: .*UTF-8"),
        pytest.param("sku", b'{"sku":"1","d":' + DEEP + b"}", "not JSON: .*depth", id="deep"),
        ("a.b", b'{"a":{"\xe9":1,"b":"1"}}', "not JSON: .*UTF-8"),
    ],
)
def test_a_plain_document_without_a_usable_id_is_bad(field: str, line: bytes, reason: str) -> None:
    with pytest.raises(BadLine, match=reason):
        reader_by_field(field)(line)


def test_what_passes_is_what_the_worker_parses() -> None:
    assert orjson.loads(read_exported(line_of(Hit("1", "r", 1, ODD))).document)["f"] == 100.0
