"""Dead letters as people read them on a terminal, and as machines read them. Pure.

What is shown came from anybody: signs that a terminal would obey are written out.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from jobs import DeadLetter, DeadLetterContents, Rejection

_SHOWN_CHARACTERS = 10_000


def letters_table(letters: Sequence[DeadLetter]) -> Table:
    """One row a letter."""
    # An id that is cut off could not be handed to the other commands.
    table = Table(Column("dead letter", overflow="fold", min_width=32), "died (UTC)", "kind", "job")
    for name in ("index", "id", "type", "reason"):
        table.add_column(name, overflow="fold")
    for letter in letters:
        first = next(iter(letter.report.rejected), Rejection("-", "-"))
        more = len(letter.report.rejected) - 1
        reason = f"{first.reason} (and {more} more)" if more > 0 else first.reason
        cells = (letter.id, _time(letter.died_ms), str(letter.kind), letter.name)
        where = (first.index or letter.report.index or "-", first.id or "-", first.type, reason)
        table.add_row(*(plain(cell) for cell in (*cells, *where)))
    return table


def contents_table(contents: DeadLetterContents) -> Table:
    """One letter with its report and its payload."""
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(contents):
        table.add_row(name, plain(value))
    for rejection in contents.letter.report.rejected:
        table.add_row("rejected", plain(_rejected(rejection, contents.letter)), style="red")
    table.add_row("payload", _payload(contents))
    return table


def wire_of(contents: DeadLetterContents) -> dict[str, Any]:
    """A letter with all that was stored, as a JSON object; `raw_base64` where that is no UTF-8."""
    try:
        raw = {"raw": contents.raw.decode()}
    except UnicodeDecodeError:
        raw = {"raw_base64": b64encode(contents.raw).decode()}
    members = {
        "number": contents.number,
        "arguments": contents.arguments,
        "positional": contents.positional,
    }
    return contents.letter.to_wire() | members | raw


def plain(text: str) -> str:
    """The text as it can be printed: no markup, and no sign that a terminal would obey."""
    return escape("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text))


def _facts(contents: DeadLetterContents) -> Iterator[tuple[str, str]]:
    letter = contents.letter
    yield "dead letter", letter.id
    yield "kind", str(letter.kind)
    yield "job", letter.name
    yield "died (UTC)", _time(letter.died_ms)
    yield "tries", str(letter.tries)
    yield "number", str(contents.number or "-")
    yield "stored bytes", str(letter.raw_bytes)
    for name, value in letter.report.to_wire().items():
        if name != "rejected":
            yield name, str(value)


def _rejected(rejection: Rejection, letter: DeadLetter) -> str:
    action = f"action {rejection.position}: " if letter.report.counts else ""
    where = f"{rejection.index or '-'}/{rejection.id or '-'} " if rejection.index or rejection.id else ""
    return f"{action}{where}{rejection.type}: {rejection.reason}"


def _payload(contents: DeadLetterContents) -> str:
    """The arguments; the bytes as Python writes them where they are no job."""
    if contents.arguments is None:
        text = repr(contents.raw)
    else:
        call = {"positional": contents.positional} if contents.positional else {}
        text = json.dumps(call | dict(contents.arguments), ensure_ascii=False, indent=2)
    shown = "\n".join(plain(line) for line in text[:_SHOWN_CHARACTERS].split("\n"))
    if len(text) <= _SHOWN_CHARACTERS:
        return shown
    return f"{shown}…\n({len(text)} characters; --json and --raw have them all)"


def _time(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
