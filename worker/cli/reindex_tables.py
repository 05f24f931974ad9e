"""Reindexes as people read them on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Column, Table

from jobs.reindexes import ReindexPhase, ReindexStatus
from jobs.report import Report

from .dead_tables import plain

WORDS = {
    ReindexPhase.CREATE: "creates the new index",
    ReindexPhase.TOUCHING: "begins to record changes",
    ReindexPhase.COPY: "copies",
    ReindexPhase.CATCH_UP: "catches up with changes",
    ReindexPhase.HOLD: "holds jobs for the swap",
    ReindexPhase.SWITCH: "has moved the alias",
    ReindexPhase.ENDING: "tidies up",
    ReindexPhase.DONE: "done",
    ReindexPhase.FAILED: "failed",
    ReindexPhase.CANCELLED: "cancelled",
    ReindexPhase.ROLLED_BACK: "rolled back",
}


def reindexes_table(statuses: Sequence[ReindexStatus]) -> Table:
    """One row an alias."""
    table = Table(Column("alias", overflow="fold"), "phase", "done", "began (UTC)")
    table.add_column("index kept for a rollback", overflow="fold")
    table.add_column("job", overflow="fold", min_width=32)
    for status in statuses:
        done = f"{status.done:,} of {status.total:,}"
        cells = (status.alias, WORDS[status.phase], done, _time(status.started_ms))
        table.add_row(*(plain(cell) for cell in (*cells, status.kept_index or "-", status.job_id)))
    return table


def status_table(status: ReindexStatus) -> Table:
    """One reindex with its slices."""
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("alias", status.alias),
        ("job", status.job_id),
        ("phase", WORDS[status.phase]),
        ("from", status.old or "-"),
        ("to", status.new or "-"),
        ("done", line_of(status)),
        ("held", f"{status.holds} times, the last {_ms(status.held_ms)}" if status.holds else "-"),
        ("began (UTC)", _time(status.started_ms)),
        ("told (UTC)", _time(status.updated_ms)),
        ("kept for a rollback", status.kept_index or "-"),
    ]
    if status.problem:
        rows.append(("problem", status.problem))
    for name, value in rows:
        table.add_row(name, plain(value))
    for number, part in enumerate(status.slices if len(status.slices) > 1 else ()):
        through = ", through" if part.finished else ""
        table.add_row(f"slice {number}", f"{part.done:,} done, {part.dropped:,} dropped{through}")
    return table


def line_of(status: ReindexStatus) -> str:
    """How far it is, on one line."""
    words = [f"{status.done:,} of {status.total:,}"]
    if status.phase is ReindexPhase.COPY:
        words.append(f"{status.rate:,.0f} a second")
        if status.remaining_seconds is not None:
            words.append(f"{status.remaining_seconds:,.0f} s remaining")
    if status.dropped:
        words.append(f"{status.dropped:,} dropped")
    if status.caught_up or status.touched_left:
        words.append(f"{status.caught_up:,} caught up, {status.touched_left:,} left")
    return ", ".join(words)


def report_lines(report: Report) -> list[str]:
    """How it ended, a line for each thing to tell."""
    if report.failed:
        return [f"failed: {one.type}: {one.reason}" for one in report.rejected]
    told = report.details
    lines = [f"{report.index}: {told['new_index']} has replaced {told['old_index']}"]
    lines.append(
        f"{told['documents']:,} documents, {told['dropped']:,} dropped, {told['caught_up']:,} caught up"
    )
    lines.append(f"jobs were held for {_ms(told['held_ms'])}, at try {told['holds']}")
    return lines


def _ms(value: float | None) -> str:
    return "an unknown time" if value is None else f"{value:,.0f} ms"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
