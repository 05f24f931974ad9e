"""Dead letters on a terminal: everything that matters is there, and nothing that a terminal would obey."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from jobs import DeadKind, DeadLetter, DeadLetterContents, Outcome, Rejection, Report
from worker.cli.dead_tables import contents_table, letters_table, plain, wire_of

REPORT = Report(
    outcome=Outcome.REJECTED,
    index="products",
    counts={"created": 3, "rejected": 2},
    rejected=(
        Rejection("first_type", "[red]why[/]", "products", "1", 0),
        Rejection("other_type", "x", "products", "2", 7),
    ),
)
LETTER = DeadLetter("old-id", DeadKind.REJECTED, "bulk", 1_795_231_312_209.001, 3, 700, REPORT)
CONTENTS = DeadLetterContents(LETTER, b"P1 7 key\n{}", 7, {"index": "products", "text": "Größe"}, ())


def printed(table: Table, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_list_has_what_the_other_commands_ask_for() -> None:
    text = printed(letters_table([LETTER]))

    for part in (
        "old-id",
        "2026-11-21 03:21:52",
        "rejected",
        "bulk",
        "products",
        "first_type",
        "[red]why[/]",
    ):
        assert part in text
    assert "(and 1 more)" in text


def test_an_id_is_never_cut_off_on_a_narrow_terminal() -> None:
    letter = replace(LETTER, id="0123456789abcdef" * 2)

    assert letter.id in printed(letters_table([letter]), width=80)


def test_a_letter_without_a_rejection_is_listed_all_the_same() -> None:
    assert "old-id" in printed(letters_table([replace(LETTER, report=Report())]))


def test_one_letter_has_its_report_and_its_payload() -> None:
    text = printed(contents_table(CONTENTS))

    for part in ("old-id", "700", "'created': 3", '"text": "Größe"', "number", "tries"):
        assert part in text
    assert "action 0: products/1 first_type: [red]why[/]" in text
    assert "action 7: products/2 other_type: x" in text


def test_what_is_no_job_is_shown_as_bytes() -> None:
    assert r"b'\x80\x04\x1b[2J'" in printed(contents_table(DeadLetterContents(LETTER, b"\x80\x04\x1b[2J")))


def test_arguments_by_place_are_shown_where_there_are_any() -> None:
    assert '"positional"' in printed(contents_table(replace(CONTENTS, positional=["x"])))
    assert '"positional"' not in printed(contents_table(CONTENTS))


def test_a_long_payload_is_shown_in_part_and_says_so() -> None:
    contents = replace(CONTENTS, arguments={"text": "x" * 50_000})

    text = printed(contents_table(contents))

    assert len(text) < 40_000
    assert "characters; --json and --raw have them all" in text


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\x07", "\r", "\u202e", "\x00"])
def test_signs_that_a_terminal_would_obey_are_written_out(sign: str) -> None:
    report = Report(rejected=(Rejection(f"t{sign}", f"r{sign}", f"i{sign}", f"d{sign}"),))
    letter = replace(LETTER, id=f"id{sign}", name=f"name{sign}", report=report)
    contents = DeadLetterContents(letter, b"", 7, {f"k{sign}": f"v{sign}"}, ())

    assert sign not in plain(sign)
    assert sign not in printed(letters_table([letter])) + printed(contents_table(contents))


def test_the_wire_form_is_json_and_has_everything() -> None:
    wire = json.loads(json.dumps(wire_of(CONTENTS)))

    assert wire == LETTER.to_wire() | {
        "number": 7,
        "arguments": {"index": "products", "text": "Größe"},
        "positional": [],
        "raw": "P1 7 key\n{}",
    }


def test_the_wire_form_of_what_is_no_text_is_base64() -> None:
    wire = wire_of(DeadLetterContents(LETTER, b"\x80\xff"))

    assert wire["raw_base64"] == "gP8="
    assert "raw" not in wire
    assert wire["arguments"] is None
