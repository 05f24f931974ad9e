"""What the demo prints where no terminal is: plain lines, nothing that a log can't hold."""

import pytest

from examples.demo.figures import Phase, failure_panel, figures_table
from examples.demo.screen import Screen
from jobs import Outcome, Rejection, Report


def test_steps_are_numbered_and_markup_in_texts_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(steps=2)
    screen.step("one [bold]")
    screen.step("two")
    assert capsys.readouterr().out == "1/2 one [bold]\n2/2 two\n"


def test_progress_without_a_terminal_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(steps=1).progress("jobs", 2_000) as advance:
        for done in (1, 1_000, 2_000, 2_000):
            advance(done)
    assert capsys.readouterr().out == "    jobs: 2,000 of 2,000\n"


def test_the_table_counts_bulk_requests_by_their_batch_and_says_why_a_job_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rejection = Rejection("document_parsing_exception", "failed to parse", index="docs", id="x")
    reports = {str(n): Report(outcome=Outcome.CREATED, batch=f"b{n % 2}") for n in range(10)}
    failed = {"f": Report(outcome=Outcome.REJECTED, index="docs", id="x", batch="b2", rejected=(rejection,))}
    phases = [Phase("index", reports, seconds=2.0), Phase("bad-field", failed, seconds=1.0)]
    rebuilt = Report(took_ms=500.0, details={"documents": 1_000, "caught_up": 7, "held_ms": 81.6})
    screen = Screen(steps=1)
    screen.show(figures_table(phases, rebuilt))
    screen.show(failure_panel(phases[1]))
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if "index " in line and "created" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "index",
        "10",
        "5",
        "2",
        "5",
        "10 created",
    ]
    assert "│ reindex   │    1 │              2,000 │" in out
    assert "1,000 documents, 7 caught up with" in " ".join(out.split())
    assert "docs/x document_parsing_exception: failed to parse" in " ".join(out.split())
    assert "type  document_parsing_exception" in out
