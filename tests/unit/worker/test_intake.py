"""From stored bytes to a checked payload: whatever a producer can have got wrong is refused with a report."""

import json
import pickle
from typing import Any

import pytest

from jobs import DeleteDocument, IndexDocument, Outcome, ReindexAlias
from jobs.envelope import encode_job, serialize
from worker.actions import actions_of
from worker.intake import Call, Refused, name_at_a_glance, read_call, read_payload, read_write

MOST = 1000
DELETE: dict[str, Any] = {"index": "i", "id": "1"}


def stored(name: Any = "delete", arguments: Any = None, head: bytes = b"P1 5 key\n", **members: Any) -> bytes:
    call = {"f": name, "t": None, "a": [], "et": 1, "k": DELETE if arguments is None else arguments}
    return head + json.dumps(call | members).encode()


def refusal_of(raw: bytes, most: int = MOST) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        read_call(raw, most)
    (rejection,) = refused.value.report.rejected
    assert refused.value.report.outcome is Outcome.REJECTED
    assert str(refused.value) == f"{rejection.type}: {rejection.reason}"
    return rejection.type, rejection.reason


def call(name: str, arguments: dict[str, Any], keys: tuple[str, ...] = ("key",)) -> Call:
    return Call(name, [], arguments, 1, None, 5, keys)


def test_given_a_job_of_our_client_then_its_parts_are_read() -> None:
    assert read_call(stored(head=b"P1 5 ka kb\n", et=9), MOST) == Call(
        name="delete",
        positional=[],
        arguments=DELETE,
        enqueued_ms=9,
        first_try=None,
        number=5,
        document_keys=("ka", "kb"),
    )


def test_given_a_job_of_plain_arq_then_it_has_no_number_yet() -> None:
    found = read_call(stored(head=b"", t=3), MOST)

    assert (found.number, found.document_keys, found.first_try) == (None, (), 3)


def test_given_nothing_then_it_says_so() -> None:
    assert refusal_of(b"")[0] == "payload_missing"


def test_given_a_pickle_then_it_is_not_loaded() -> None:
    class Opened:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was loaded",))

    for head in (b"", b"P1 5\n"):
        type, reason = refusal_of(head + pickle.dumps({"f": "index", "k": Opened()}))
        assert type == "unreadable_job"
        assert "pickle" in reason


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe",
        b"{",
        b"P1 5\n",
        b"P1 5",
        b"P1 x\n{}",
        b"P1 \n{}",
        b"P1 5 k\xff\n{}",
        b'{"f":"delete","k":{},"et":NaN}',
        b'{"f":"\\ud800","k":{},"et":1}',
        b"[" * 5000,
    ],
)
def test_given_garbage_or_a_damaged_first_line_then_it_is_unreadable(raw: bytes) -> None:
    assert refusal_of(raw, 10_000)[0] == "unreadable_job"


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"f":"delete","k":{}}',
        b'{"f":"delete","et":1}',
        b'{"f":1,"k":{},"et":1}',
        b'{"f":"delete","k":[],"et":1}',
        b'{"f":"delete","k":{},"et":"1"}',
        b'{"f":"delete","k":{},"et":null}',
    ],
)
def test_given_json_that_is_no_job_then_the_members_that_were_expected_are_named(body: bytes) -> None:
    type, reason = refusal_of(body)

    assert type == "unreadable_job"
    assert "f (name), k (arguments), et (time)" in reason


def test_given_garbage_of_any_size_then_the_reason_is_short_and_quotes_no_document() -> None:
    for raw in (b"P1 " + b"secret " * 10_000, b'{"k":{"document":"secret' + b"x" * 9000):
        _, reason = refusal_of(raw, 10**6)
        assert len(reason) < 300
    assert "secret" not in refusal_of(b'{"k":{"document":"secret')[1]


def test_given_arguments_by_place_then_our_jobs_are_refused() -> None:
    assert refusal_of(stored(a=["i", "1"])) == (
        "invalid_job",
        "delete: arguments are passed by keyword, not by place",
    )


def test_given_arguments_by_place_then_custom_functions_take_them() -> None:
    assert read_call(stored("send_mail", {}, head=b"", a=["bob", 1]), MOST).positional == ["bob", 1]


def test_given_a_job_at_the_limit_and_one_byte_over_then_only_the_larger_is_refused() -> None:
    raw = stored()
    size = len(raw) - len(b"P1 5 key\n")

    assert read_call(raw, size).name == "delete"
    type, reason = refusal_of(raw, size - 1)
    assert type == "invalid_job"
    assert str(size) in reason
    assert str(size - 1) in reason


def test_given_every_job_that_a_client_can_encode_then_it_is_read_back_as_it_was() -> None:
    document: dict[str, Any] = {"text": "\u2028ü\U0001f600", "n": [0.1, -1, True, None, {}], "": ""}
    for payload in (
        IndexDocument(index="i", id="1", document=document, routing="r"),
        ReindexAlias(alias="a", mappings={"properties": {}}),
    ):
        found = read_call(encode_job(payload, enqueued_ms=1), MOST)
        assert read_payload(found.name, found.arguments).arguments() == payload.arguments()


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400", '"\\ud800"'])
@pytest.mark.parametrize("other", ["1", str(10**40)])
def test_given_a_value_that_json_has_not_then_it_is_refused_beside_numbers_of_any_length(
    value: str, other: str
) -> None:
    """Read by the lenient parser of the standard library, it would be stored as something else."""
    document = f'{{"x":{value},"n":{other}}}'
    raw = b'{"f":"index","et":1,"k":{"index":"i","id":"1","document":%s}}' % document.encode()

    assert refusal_of(raw)[0] == "unreadable_job"


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**40])
def test_given_a_number_of_any_length_then_no_digit_is_lost_on_the_way(number: int) -> None:
    payload = IndexDocument(index="i", id="1", document={"n": number})
    found = read_call(b"P1 5 key\n" + encode_job(payload, enqueued_ms=1), MOST)
    checked, _ = read_write(found)
    (action,) = actions_of(checked, 5, found.document_keys)

    assert action.body == b'{"n":%d}' % number


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("delete", {"index": "i", "id": ""}, "id"),
        ("delete", {"index": "i", "id": "x" * 513}, "id"),
        ("delete", {"index": "i", "id": 7}, "id"),
        ("delete", {"index": "UP", "id": "1"}, "index"),
        ("delete", {"index": "i"}, "id"),
        ("delete", {"index": "i", "id": "1", "unheard_of": 1}, "unheard_of"),
        ("delete", {"index": "i", "id": "1", "version": 1}, "version"),
        ("index", {"index": "i", "id": "1"}, "document"),
        ("index", {"index": "i", "id": "1", "document": []}, "document"),
        ("update", {"index": "i", "id": "1"}, "doc or script"),
        ("update", {"index": "i", "id": "1", "doc": "text"}, "doc"),
        ("bulk", {"index": "i", "actions": []}, "actions"),
        ("bulk", {"index": "i", "actions": [{"op": "drop"}]}, "drop"),
        ("bulk", {"index": "i", "actions": [{"op": "delete", "id": "", "index": "j"}]}, "action 0"),
        (
            "bulk",
            {"index": "i", "actions": [{"op": "delete", "id": "1"}, {"op": "index", "id": "1"}]},
            "1.doc",
        ),
    ],
)
def test_given_a_payload_that_is_wrong_then_the_report_names_the_field(
    name: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_write(call(name, arguments))

    report = refused.value.report
    (rejection,) = report.rejected
    assert rejection.type == "invalid_job"
    assert field in rejection.reason
    assert report.index == rejection.index == arguments["index"]


def test_given_an_id_as_long_as_a_document_then_the_report_stays_small() -> None:
    arguments = {"index": "i" * 1_000_000, "id": "x" * 1_000_000}

    with pytest.raises(Refused) as refused:
        read_write(call("delete", arguments))

    assert len(json.dumps(refused.value.report.to_wire())) < 5000


def test_given_a_good_write_then_its_payload_and_number_are_read() -> None:
    assert read_write(call("delete", DELETE)) == (DeleteDocument(**DELETE), 5)


@pytest.mark.parametrize("keys", [(), ("a",), ("a", "b", "c")])
def test_given_a_first_line_that_names_other_documents_than_the_job_then_it_is_refused(
    keys: tuple[str, ...],
) -> None:
    actions = [{"op": "delete", "id": "1"}, {"op": "delete", "id": "2"}]

    with pytest.raises(Refused) as refused:
        read_write(call("bulk", {"index": "i", "actions": actions}, keys))

    assert f"names {len(keys)} documents, the job has 2 actions" in str(refused.value)


@pytest.mark.parametrize(
    "members", ['"et":99999999999999999999', '"et":-1', '"et":1,"t":"3"', '"et":1,"a":{"x":1}']
)
def test_given_members_that_arq_could_not_have_written_then_the_job_is_refused(members: str) -> None:
    """A time beyond every date would fail again where the report is written."""
    raw = b'{"f":"nope","k":{},%s}' % members.encode()

    assert refusal_of(raw)[0] == "unreadable_job"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (encode_job(DeleteDocument(**DELETE), enqueued_ms=1), "delete"),
        (b"P1 5 key\n" + encode_job(DeleteDocument(**DELETE), enqueued_ms=1), "delete"),
        (serialize({"t": None, "f": "resize", "a": (), "k": {}, "et": 1}), "resize"),
        (b'{ "et" : 1, "t": 2, "f" : "spaced", ' + b"[" * 10**6, "spaced"),
        (b'{"k":{"f":"of-an-argument"},"f":"resize"}', None),
        (b'{"f":"%s"}' % (b"n" * 101), None),
        (b'{"f":"two\nlines"}', None),
        (b"\x80\x04pickle", None),
        (b"P1 5 key", None),
        (b"", None),
    ],
)
def test_given_what_must_not_be_read_then_its_name_is_seen_at_a_glance(raw: bytes, name: str | None) -> None:
    assert name_at_a_glance(raw) == name
