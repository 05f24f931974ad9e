"""A dead letter as it is read from its hash, how its id is shown, and what a choice of letters takes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs import DeadKind, DeadLetter, Outcome, Rejection, Report, UnreadableJob
from jobs.dead_letter import Matching, id_bytes, read_letter
from jobs.dead_letter_reader import latest_ms

REPORT = Report(
    outcome=Outcome.REJECTED,
    index="products",
    rejected=(
        Rejection("first_type", "why", "products", "1"),
        Rejection("other_type", "x", "orders", "2", 7),
    ),
)
LETTER = DeadLetter("a", DeadKind.REJECTED, "bulk", 1_795_231_312_209.001, 3, 700, REPORT)
FIELDS = [b"rejected", b"bulk", json.dumps(REPORT.to_wire()).encode(), b"1795231312209.001", b"3"]


def test_a_letter_is_read_from_its_fields() -> None:
    assert read_letter(b"a", FIELDS, 700) == LETTER


def test_a_letter_that_has_expired_is_none() -> None:
    assert read_letter(b"a", [None] * 5, 0) is None


@pytest.mark.parametrize("reason", [b"", b"not JSON", b"[]", b'{"colour": 1}', b"\xff"])
def test_a_reason_that_is_no_report_does_not_hide_the_letter(reason: bytes) -> None:
    letter = read_letter(b"a", [*FIELDS[:2], reason, *FIELDS[3:]], 700)

    assert letter is not None
    assert [rejection.type for rejection in letter.report.rejected] == ["unknown"]


def test_a_kind_that_this_version_does_not_know_is_named_with_its_letter() -> None:
    with pytest.raises(UnreadableJob, match=r"dead letter a\\xff: 'sunk'"):
        read_letter(b"a\xff", [b"sunk", *FIELDS[1:]], 700)


def test_the_kinds_are_a_closed_set() -> None:
    assert {str(kind) for kind in DeadKind} == {"rejected", "unreadable", "unknown", "crasher"}


def test_the_wire_form_is_json_and_names_everything() -> None:
    assert json.loads(json.dumps(LETTER.to_wire())) == {
        "id": "a", "kind": "rejected", "name": "bulk", "died_ms": 1_795_231_312_209.001, "tries": 3,
        "raw_bytes": 700, "report": REPORT.to_wire(),
    }  # fmt: skip


@given(st.binary(max_size=20))
@example(b"\xff\\xff")
@example("Größe".encode())
@example(b"\xc3\\xbc")
def test_an_id_that_is_shown_leads_back_to_the_very_bytes(id: bytes) -> None:
    letter = read_letter(id, FIELDS, 0)

    assert letter is not None
    letter.id.encode()  # it can be printed
    # What is UTF-8 and holds an escape itself is the one case in which the text has two readings.
    if b"\\x" not in id:
        assert id_bytes(letter.id) == id


def test_an_id_in_utf8_stays_as_it_is() -> None:
    for id in ("plain", "Größe", "back\\slash", "\\xzz", "\\x41"):
        assert id_bytes(id) == id.encode()


@pytest.mark.parametrize(
    ("matching", "taken"),
    [
        (Matching(), True),
        (Matching(index="products"), True),
        (Matching(index="orders"), True),
        (Matching(index="other"), False),
        (Matching(type="other_type"), True),
        (Matching(type="third_type"), False),
        (Matching(kind=DeadKind.REJECTED), True),
        (Matching(kind=DeadKind.CRASHER), False),
        (Matching(index="products", type="first_type", kind=DeadKind.REJECTED), True),
        (Matching(index="products", type="first_type", kind=DeadKind.UNKNOWN), False),
    ],
)
def test_a_choice_takes_what_holds_all_that_it_names(matching: Matching, taken: bool) -> None:
    assert matching.takes(LETTER) is taken


def test_an_age_is_a_moment_before_which_it_died() -> None:
    now, hour_ago = (
        latest_ms(Matching(older_than=timedelta(0))),
        latest_ms(Matching(older_than=timedelta(hours=1))),
    )

    assert latest_ms(Matching()) is None
    assert now is not None
    assert hour_ago is not None
    assert now - hour_ago == pytest.approx(3_600_000, abs=5_000)
