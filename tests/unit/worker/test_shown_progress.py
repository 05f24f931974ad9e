"""How far it is: a line now and then where there is no terminal, and nothing where nothing is wanted."""

import io

import pytest
from rich.console import Console

from worker.cli.shown_progress import ShownProgress


@pytest.mark.parametrize(("wanted", "expected"), [(True, ["b", "d"]), (False, [])])
def test_without_a_terminal_there_is_a_line_every_five_seconds(wanted: bool, expected: list[str]) -> None:
    out, clock = io.StringIO(), iter([0.0, 1.0, 5.0, 5.0, 9.9, 10.0, 10.0])
    with ShownProgress(Console(file=out), wanted=wanted, now=lambda: next(clock)) as shown:
        for text in "abcd":
            shown.at(1, None, text)

    assert out.getvalue().split() == expected


def test_on_a_terminal_there_is_a_bar() -> None:
    out = io.StringIO()
    with ShownProgress(Console(file=out, force_terminal=True, width=80), wanted=True) as shown:
        shown.at(5, 10, "half of it")
        shown.say("[a line]")

    assert "half of it" in out.getvalue()
    assert "50%" in out.getvalue()
    assert "[a line]" in out.getvalue()
