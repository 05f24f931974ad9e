"""The short way of plain index jobs: it says what the long way says, or nothing at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs import BulkWrite, DeleteDocument, IndexDocument, Payload
from jobs.envelope import document_keys, encode_job, serialize
from jobs.models import MOST_BULK_ACTIONS
from worker.actions import Action, ActionKind, actions_of
from worker.intake import Refused, read_call, read_write
from worker.plain_index import PlainJob, read_plain

MOST = 10_000
NUMBER = 1_795_231_312_209_001
KEY = b"P1 5 KGqnzdSO9eYy\n"
ONE = KEY + b'{"f":"index","t":null,"a":[],"et":9,"k":{"index":"i","id":"1","document":{"n":1}}}'
MANY = (
    b'P1 5 ka kb\n{"f":"bulk","t":null,"a":[],"et":9,"k":{"index":"i","actions":[\n'
    b'{"op":"index","id":"1","document":{"n":1}},\n{"op":"index","id":"2","document":{"n":2}}\n]}}'
)

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
INDICES = st.from_regex(r"[a-z0-9é][a-z0-9._é-]{0,9}", fullmatch=True)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)


@st.composite
def plain_payloads(draw: st.DrawFn) -> Payload:
    """Any job that only writes whole documents."""
    index = draw(INDICES)
    actions = draw(
        st.lists(
            st.builds(IndexDocument, index=st.just(index), id=IDS, document=DOCUMENTS)
            | st.builds(IndexDocument, index=st.just(index), id=IDS, routing=IDS, document=DOCUMENTS),
            min_size=1,
            max_size=3,
        )
    )
    return (
        actions[0] if len(actions) == 1 and draw(st.booleans()) else BulkWrite(index=index, actions=actions)
    )


def stored(payload: Payload, number: int = NUMBER) -> bytes:
    """As the enqueue script stores it."""
    head = f"P1 {number} {' '.join(document_keys(payload))}\n"
    return head.encode() + encode_job(payload, enqueued_ms=1_795_231_312_209)


def the_long_way(raw: bytes) -> PlainJob | None:
    """What the other way makes of it; None where it refuses it, or where it is a job with more to it."""
    try:
        call = read_call(raw, MOST)
        payload, number = read_write(call)
    except Refused:
        return None
    if call.first_try is not None or call.retried.retry_of is not None or call.retried.keep:
        return None
    return PlainJob(call.name, call.enqueued_ms, actions_of(payload, number, call.document_keys))


def without_spelling(action: Action) -> Any:
    """The action with the value of its body: the two ways may write one document in two spellings."""
    return action._replace(body=None), json.loads(action.body or b"null")


def assert_the_same(short: PlainJob, long: PlainJob | None) -> None:
    assert long is not None
    assert (short.name, short.enqueued_ms) == (long.name, long.enqueued_ms)
    assert list(map(without_spelling, short.actions)) == list(map(without_spelling, long.actions))


@settings(deadline=None)
@given(payload=plain_payloads())
def test_every_plain_job_of_our_client_goes_the_short_way_and_says_the_same(payload: Payload) -> None:
    raw = stored(payload)
    plain = read_plain(raw, MOST)

    assert plain is not None
    assert_the_same(plain, the_long_way(raw))
    assert {action.kind for action in plain.actions} == {ActionKind.INDEX}
    assert all(
        (action.body or b"\n") in raw and b"\n" not in (action.body or b"") for action in plain.actions
    )


PIECES = st.sampled_from(
    [
        *(b'"', b",", b"{", b"}", b"[", b"]", b"\n", b" ", b"\t", b"\\", b"0", b"-", b"\xff", b"\x80"),
        *(
            b'"routing":"r",',
            b',"retry_of":"x"',
            b',"keep":true',
            b'"k":{',
            b'"document":{}',
            b'"op":"delete",',
        ),
        *(
            b'{"a":1,"a":2}',
            b"1e400",
            b"NaN",
            b"12345678901234567890123",
            b"\\ud800",
            b"P1 7 x\n",
            b"}}",
            b"\n]}}",
        ),
    ]
)


@settings(deadline=None, max_examples=500)
@given(
    raw=st.sampled_from([ONE, MANY]) | plain_payloads().map(stored),
    edits=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 12), PIECES | st.binary(max_size=3)), max_size=3
    ),
)
@example(raw=ONE, edits=[(ONE.index(b"K") + 3, 0, b"\t")])
@example(raw=ONE, edits=[(KEY.index(b"K"), 0, "é".encode())])
@example(raw=ONE, edits=[(ONE.index(b"9,"), 0, b"0")])
def test_whatever_the_short_way_takes_the_long_way_takes_as_the_same(
    raw: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for place, cut, piece in edits:
        place %= len(raw) + 1
        raw = raw[:place] + piece + raw[place + cut :]
    plain = read_plain(raw, MOST)

    if plain is not None:
        assert_the_same(plain, the_long_way(raw))


@pytest.mark.parametrize(
    "members",
    [
        {"retry_of": "old"},
        {"retry_of": "old", "keep": True},
        {"retry_of": "old", "keep": True, "positions": [3]},
        {"keep": True},
        {"retry_of": None},
    ],
)
@pytest.mark.parametrize("place", ["before k", "after k"])
def test_a_retried_job_never_goes_the_short_way(members: dict[str, Any], place: str) -> None:
    first = {"f": "index", "t": None, "a": [], "et": 9}
    last = {"k": {"index": "i", "id": "1", "document": {}}}
    order = first | members | last if place == "before k" else first | last | members

    assert read_plain(KEY + serialize(first | last), MOST) is not None
    assert read_plain(KEY + serialize(order), MOST) is None


@pytest.mark.parametrize(
    "options", [{"routing": None}, {"pipeline": "p"}, {"create": True}, {"create": False},
                {"require_alias": True}, {"wait_until_visible": True}]
)  # fmt: skip
def test_a_job_with_an_option_goes_the_long_way_alone_and_in_a_bulk(options: dict[str, Any]) -> None:
    action = IndexDocument(index="i", id="1", document={}, **options)

    assert read_plain(stored(action), MOST) is None
    assert read_plain(stored(BulkWrite(index="i", actions=(action,))), MOST) is None


def test_a_bulk_with_an_option_or_with_another_kind_goes_the_long_way() -> None:
    action = IndexDocument(index="i", id="1", document={})
    visible = BulkWrite(index="i", actions=(action,), wait_until_visible=True)
    mixed = BulkWrite(index="i", actions=(action, DeleteDocument(index="i", id="2")))

    assert read_plain(stored(BulkWrite(index="i", actions=(action,))), MOST) is not None
    assert read_plain(stored(visible), MOST) is None
    assert read_plain(stored(mixed), MOST) is None
    assert the_long_way(stored(mixed)) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"P1 5 KGqnzdSO9eYy\n", b""),
        (b"KGqnzdSO9eYy", b""),
        (b"KGqnzdSO9eYy", b"a b"),
        (b'"t":null', b'"t":2'),
        (b'"a":[]', b'"a":[1]'),
        (b'"et":9', b'"et":9.0'),
        (b'"et":9', b'"et":09'),
        (b'"index":"i"', b'"index":"I"'),
        (b'"index":"i"', b'"index":".."'),
        (b'"index":"i"', b'"index":"a b"'),
        (b'"id":"1"', b'"id":"\\ud800"'),
        (b'"id":"1"', b'"id":"\\x"'),
        (b'"id":"1"', b'"id":"' + b"\\u00e9" * 257 + b'"'),
        (b'"id":"1"', b'"id":""'),
        (b'"id":"1"', b'"id":"1","routing":""'),
        (b'"id":"1"', b'"id":"1","routing":"' + b"x" * 513 + b'"'),
        (b'"id":"1"', b'"id":"1","routing":null'),
        (b'"id":"1"', b'"routing":"r","id":"1"'),
        (b'"id":"1"', b'"id":"' + b"x" * 513 + b'"'),
        (b'"id":"1"', b'"id":1'),
        (b'"id":"1"', b'"id":"\xff"'),
        (b'"id":"1",', b'"id":"1", '),
        (b'{"n":1}', b"[1]"),
        (b'{"n":1}', b'{"n":1'),
        (b'{"n":1}', b'{"n":1e400}'),
        (b'{"n":1}', b'{"n":"\\ud800"}'),
        (b'{"n":1}', b'{"n":\n1}'),
        (b'{"n":1}', b'{"n":1},"document":{"n":2}'),
        (b"}}}", b"}}}\n"),
    ],
)
def test_a_near_miss_goes_the_long_way(old: bytes, new: bytes) -> None:
    assert read_plain(ONE, MOST) is not None
    assert ONE.count(old) == 1

    assert read_plain(ONE.replace(old, new), MOST) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"ka kb", b"ka"), (b"ka kb", b"ka kb kc"), (b"},\n{", b"},{"), (b"},\n{", b"}\n{"), (b"[\n{", b"[{")],
)
def test_a_bulk_that_is_written_otherwise_goes_the_long_way(old: bytes, new: bytes) -> None:
    assert MANY.count(old) == 1

    assert read_plain(MANY.replace(old, new), MOST) is None


def test_a_job_over_the_limit_goes_the_long_way_which_says_so() -> None:
    assert read_plain(ONE, len(ONE)) is not None
    assert read_plain(ONE, len(ONE) - 1) is None


def test_a_bulk_of_too_many_actions_goes_the_long_way_which_refuses_it() -> None:
    lines = b",\n".join([b'{"op":"index","id":"1","document":{}}'] * (MOST_BULK_ACTIONS + 1))
    keys = b" k" * (MOST_BULK_ACTIONS + 1)
    head = b'{"f":"bulk","t":null,"a":[],"et":9,"k":{"index":"i","actions":[\n'
    raw = b"P1 5" + keys + b"\n" + head + lines + b"\n]}}"

    assert read_plain(raw, len(raw)) is None
    with pytest.raises(Refused, match="actions"):
        read_write(read_call(raw, len(raw)))
