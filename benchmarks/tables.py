"""The two tables for people: the figures beside their references, and where the processor time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from .reading import Measured, Role, median, median_microseconds

CAVEATS = (
    "Caveats. Elasticsearch, Redis, the worker and the producer share the processors of one machine: each "
    "takes from the others, and a fleet on machines of its own does better. Ratios travel from machine to "
    "machine, absolute figures do not. Raw `_bulk` sends bodies that were built before its clock ran, "
    "without versions, and throws the answers away: no program that makes its requests reaches it. Stock arq "
    "takes a tenth of the documents, and its log lines of each job are off."
)


def figures(measured: Sequence[Measured]) -> Table:
    """Medians, ratio and goal of each row."""
    table = Table(title="Penstock beside its references", title_justify="left")
    for heading in ("figure", "reference"):
        table.add_column(heading)
        table.add_column("median", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("goal", justify="right")
    for row in measured:
        title = row.title
        table.add_row(
            f"{title.figure} ({title.unit})",
            f"{row.median:,.1f}",
            title.reference,
            f"{row.reference_median:,.1f}",
            f"{_colour(row.reached)}{row.ratio:.2f}[/]",
            _goal(row),
        )
    return table


def _colour(reached: bool | None) -> str:
    match reached:
        case True:
            return "[green]"
        case False:
            return "[red]"
        case None:
            return "[default]"


def _goal(row: Measured) -> str:
    if row.title.goal is None:
        return ""
    return f"{'<=' if row.title.less_is_better else '>='} {row.title.goal:g}"


def microseconds(measured: Sequence[Measured], cores: int) -> Table:
    """Processor time per document or job by role; `left` is what the machine had and nobody of them used.

    What was measured by the worker's own clock has none, and no line.
    """
    table = Table(
        title="Where the microseconds go (processor time per document or job)", title_justify="left"
    )
    table.add_column("what")
    for heading in (*Role, "sum", "left"):
        table.add_column(str(heading), justify="right")
    seen = set()
    for row in measured:
        sides = ((row.title.figure, row.readings), (row.title.reference, row.references))
        for name, readings in sides:
            used = median_microseconds(readings)
            if used and row.title.unit != "ms" and name not in seen:
                seen.add(name)
                table.add_row(name, *_profile(used, cores * 1e6 / median(readings)))
    return table


def _profile(used: Mapping[Role, float], had: float) -> list[str]:
    total = sum(used.values())
    by_role = [f"{used[role]:,.0f}" if role in used else "-" for role in Role]
    return [*by_role, f"{total:,.0f}", f"{had - total:,.0f}"]
