"""The tables that a run prints."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from benchmarks.reading import Measured, Reading, Role, Title
from benchmarks.tables import figures, microseconds


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=200, color_system="truecolor", force_terminal=True)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def plain(table: Table) -> list[list[str]]:
    """The cells of each row."""
    return [
        [str(cell) for cell in cells]
        for cells in zip(*(column.cells for column in table.columns), strict=True)
    ]


def measured(title: Title, value: float, reference: float, **used: float) -> Measured:
    microseconds_of = {Role[name]: each for name, each in used.items()}
    return Measured(title, (Reading(value, microseconds_of),), (Reading(reference, {Role.PRODUCER: 2}),))


SINGLE = Title("single", "single jobs", "raw _bulk", "docs/s", 0.6)
LONE = Title("lone", "a lone job", "es.index", "ms", 3, less_is_better=True)
OPEN = Title("bulk-10", "jobs of 10", "raw _bulk", "docs/s")


def test_a_row_has_medians_ratio_and_goal() -> None:
    (cells,) = plain(figures([measured(SINGLE, 7_000, 10_000)]))

    assert cells == ["single jobs (docs/s)", "7,000.0", "raw _bulk", "10,000.0", "[green]0.70[/]", ">= 0.6"]


def test_a_missed_goal_is_red_and_one_for_a_time_is_a_ceiling() -> None:
    missed, within = plain(figures([measured(SINGLE, 1_000, 10_000), measured(LONE, 6, 3)]))

    assert (missed[4], missed[5]) == ("[red]0.10[/]", ">= 0.6")
    assert (within[4], within[5]) == ("[green]2.00[/]", "<= 3")


def test_a_row_without_a_goal_is_neither() -> None:
    (cells,) = plain(figures([measured(OPEN, 7_000, 10_000)]))

    assert (cells[4], cells[5]) == ("[default]0.70[/]", "")


def test_rich_understands_the_colours() -> None:
    text = printed(figures([measured(SINGLE, 7_000, 10_000), measured(OPEN, 7_000, 10_000)]))

    assert "[green]" not in text
    assert "[default]" not in text
    assert "0.70" in text


def test_processor_time_adds_up_to_what_the_machine_had() -> None:
    # 2 cores at 10,000 documents a second: 200 µs a document.
    row = measured(SINGLE, 10_000, 20_000, ELASTICSEARCH=60, REDIS=20, WORKER=50, PRODUCER=10)

    (figure, reference) = plain(microseconds([row], cores=2))

    assert figure == ["single jobs", "60", "20", "50", "10", "140", "60"]
    assert reference == ["raw _bulk", "-", "-", "-", "2", "2", "98"]


def test_a_name_is_profiled_once_and_times_are_not() -> None:
    rows = [measured(title, 1, 1, WORKER=1) for title in (SINGLE, OPEN, LONE)]

    names = [cells[0] for cells in plain(microseconds(rows, cores=2))]

    assert names == ["single jobs", "raw _bulk", "jobs of 10"]


def test_what_has_no_processor_time_has_no_line() -> None:
    names = [cells[0] for cells in plain(microseconds([measured(OPEN, 1, 1)], cores=2))]

    assert names == ["raw _bulk"]
