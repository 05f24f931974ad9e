"""The figures of a run and how they are shown: hits, the failed job, the table at the end. Pure.

A phase is one producer process with its jobs and their reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from examples.demo.checks import count_outcomes
from examples.demo.index import Hit
from jobs import Report


@dataclass(frozen=True)
class Phase:
    """What became of the jobs of one producer. `seconds` runs from the first enqueue to the last report."""

    name: str
    reports: Mapping[str, Report]
    seconds: float

    @property
    def jobs(self) -> int:
        return len(self.reports)

    @property
    def jobs_per_second(self) -> float:
        return self.jobs / self.seconds

    @property
    def bulk_requests(self) -> int:
        """How many requests carried the answers: each report names its own."""
        return len({report.batch for report in self.reports.values()})

    @property
    def mean_batch(self) -> float:
        return self.jobs / self.bulk_requests


def hits_table(text: str, hits: Sequence[Hit]) -> Table:
    table = Table(title=f'"{text}"', title_justify="left")
    table.add_column("score", justify="right")
    table.add_column("name")
    table.add_column("kind")
    table.add_column("summary")
    for hit in hits:
        table.add_row(f"{hit.score:.1f}", escape(hit.name), hit.kind, escape(hit.summary))
    return table


def failure_panel(phase: Phase) -> Panel:
    """The report of the phase's one job, which was rejected."""
    ((job, report),) = phase.reports.items()
    (rejection,) = report.rejected
    lines = {
        "job": job,
        "outcome": str(report.outcome),
        "index": str(report.index),
        "id": str(report.id),
        "type": rejection.type,
        "reason": rejection.reason,
        "attempts": str(report.attempts),
        "batch": str(report.batch),
    }
    text = "\n".join(f"{name:>9}  {escape(value)}" for name, value in lines.items())
    return Panel(text, title="the report of the failed job", title_align="left")


def figures_table(phases: Sequence[Phase], rebuilt: Report) -> Table:
    """A row for each phase and for the reindex job, their sum, and why a job failed."""
    jobs = sum(phase.jobs for phase in phases) + 1
    bulk_requests = sum(phase.bulk_requests for phase in phases)
    table = Table(title="figures", title_justify="left", caption=escape(_failures(phases)), show_footer=True)
    table.caption_justify = "left"
    table.add_column("phase", "all")
    table.add_column("jobs", f"{jobs:,}", justify="right")
    table.add_column("documents a second", justify="right")
    table.add_column("bulk requests", f"{bulk_requests:,}", justify="right")
    table.add_column("mean batch", f"{(jobs - 1) / bulk_requests:,.0f}", justify="right")
    table.add_column("outcomes")
    for phase in phases:
        table.add_row(
            phase.name,
            f"{phase.jobs:,}",
            f"{phase.jobs_per_second:,.0f}",
            f"{phase.bulk_requests:,}",
            f"{phase.mean_batch:,.0f}",
            _in_words(phase),
        )
    copied = rebuilt.details["documents"]
    table.add_row("reindex", "1", f"{copied / rebuilt.took_ms * 1000:,.0f}", "", "", _rebuilding(rebuilt))
    return table


def _rebuilding(rebuilt: Report) -> str:
    told = rebuilt.details
    caught_up, held = told["caught_up"], told["held_ms"]
    return f"{told['documents']:,} documents, {caught_up:,} caught up with, jobs held for {held:,.0f} ms"


def _in_words(phase: Phase) -> str:
    counted = count_outcomes(phase.reports.values())
    return ", ".join(f"{number:,} {outcome}" for outcome, number in counted.most_common())


def _failures(phases: Sequence[Phase]) -> str:
    reports = [report for phase in phases for report in phase.reports.values() if report.failed]
    return "\n".join(f"failed: {report.failure()}" for report in reports)
