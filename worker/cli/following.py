"""Follows a reindex until its report: a progress bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from jobs import IndexQueue, JobNotFound, JobStatus, ReindexStatus, Report
from jobs.reindexes import ReindexPhase

from .dead_tables import plain
from .reindex_tables import WORDS, line_of

_LOOK_SECONDS = 0.25
_LINE_SECONDS = 5.0


class Shown(Protocol):
    """Where the progress is shown."""

    def show(self, status: ReindexStatus) -> None:
        """Show how far it is."""


async def follow(queue: IndexQueue, alias: str, job_id: str, shown: Shown) -> Report:
    """The report of the job, awaited. Raises JobNotFound where it has ended, and its report has expired."""
    handle = queue.job(job_id)
    while (report := await handle.report()) is None:
        with suppress(JobNotFound):  # it has not begun
            status = await queue.reindex_status(alias)
            if status.job_id == job_id:
                shown.show(status)
        if await handle.status() is JobStatus.NOT_FOUND and (report := await handle.report()) is None:
            raise JobNotFound(f"job {job_id}: never enqueued here, or its report has expired")
        await asyncio.sleep(_LOOK_SECONDS)
    return report


@contextmanager
def shown_on(console: Console) -> Iterator[Shown]:
    """A bar on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[told]}"), console=console) as progress:
        yield _Bar(progress)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("waits for a worker", total=None, told="")

    def show(self, status: ReindexStatus) -> None:
        self._progress.update(
            self._task,
            description=WORDS[status.phase],
            total=status.total or None,
            completed=status.done,
            told=plain(status.problem or line_of(status)),
        )


class _Lines:
    """A line at each new phase, and at most one in five seconds within a phase."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: ReindexPhase | None = None
        self._told_at = 0.0

    def show(self, status: ReindexStatus) -> None:
        now = monotonic()
        if status.phase is self._phase and now - self._told_at < _LINE_SECONDS:
            return
        self._phase, self._told_at = status.phase, now
        problem = f" ({status.problem})" if status.problem else ""
        line = f"{status.alias}: {WORDS[status.phase]}: {line_of(status)}{problem}"
        self._console.print(plain(line), highlight=False, soft_wrap=True)
