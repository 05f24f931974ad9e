"""``penstock info``: the queue, the workers and the latest failures."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from jobs.overview import Overview, WorkerSeen, in_words

from .common import QueueName, console, settings_or_exit, with_queue


def info(
    queue: QueueName = None,
    failures: Annotated[int, typer.Option(min=0, max=1000, help="Latest failures to show.")] = 10,
) -> None:
    """Show the queue, its workers and its latest failures. Exit code 1 where Redis does not answer."""
    settings = settings_or_exit(queue)
    print_overview(with_queue(settings, lambda index_queue: index_queue.overview(failures)))


def print_overview(overview: Overview) -> None:
    """Print one look at a queue."""
    console.print(
        f"queue [bold]{escape(overview.queue)}[/]: {overview.waiting} waiting, {overview.deferred} deferred, "
        f"{sum(worker.claimed for worker in overview.workers)} in progress",
        highlight=False,
    )
    counters = ", ".join(f"{number} {name}" for name, number in overview.counters.items())
    console.print(f"since the queue was first used: {counters or 'nothing has ended'}", highlight=False)
    if overview.suspects or overview.dead_letters:
        console.print(
            f"{overview.dead_letters} dead letters (`penstock dead list`), "
            f"{overview.suspects} jobs whose worker died",
            style="yellow",
            highlight=False,
        )
    if overview.held:
        console.print(f"{overview.held} jobs wait while a reindex moves their index", highlight=False)
    for index in overview.parked:
        who, what = in_words(index.way, index.name)
        console.print(
            f"[yellow]{escape(who)} takes no {what}[/], {index.jobs} jobs are parked: "
            f"{escape(index.type)}: {escape(index.reason)}",
            highlight=False,
        )
    if overview.workers:
        console.print(_workers(overview.workers))
    else:
        console.print("no worker is running: start one with `penstock worker`", style="yellow")
    if overview.failures:
        console.print(_failures(overview))


def _workers(workers: tuple[WorkerSeen, ...]) -> Table:
    table = Table(
        "worker", "state", "up", "jobs held", "requests in flight", "requests", "actions", "troubles"
    )
    for worker in workers:
        told = worker.told
        up = f"{time.time() - told['started']:.0f} s" if "started" in told else "-"
        numbers = [str(told.get(name, "-")) for name in ("in_flight", "requests", "actions", "troubles")]
        state = "alive" if worker.alive else "dead: its jobs go back to the queue"
        table.add_row(escape(worker.id), state, up, str(worker.claimed), *numbers)
    return table


def _failures(overview: Overview) -> Table:
    # An id that is cut off could not be handed to `penstock job show`.
    table = Table(Column("failed job", overflow="fold", min_width=32), title="latest failures")
    for name in ("index", "id", "type", "reason"):
        table.add_column(name, overflow="fold")
    for job_id, report in overview.failures:
        first = report.rejected[0]
        cells = (job_id, first.index or "-", first.id or "-", first.type, first.reason)
        table.add_row(*(escape(cell) for cell in cells))
    return table
