"""``penstock job show ID``: one job's status and report."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from jobs import IndexQueue, JobNotFound, JobStatus, Report

from .common import QueueName, console, settings_or_exit, with_queue

app = typer.Typer(help="Look at single jobs.", no_args_is_help=True)


@app.callback()
def _job() -> None:
    """Look at single jobs."""


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    queue: QueueName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Show a job's status and, once it has ended, its report. Exit code 1 where the job is not known."""
    settings = settings_or_exit(queue)
    status, report = with_queue(settings, lambda index_queue: _read(index_queue, job_id))
    if as_json:
        wire = {"id": job_id, "status": str(status), "report": report.to_wire() if report else None}
        console.print_json(data=wire)
        return
    console.print(f"job {escape(job_id)}: [bold]{status}[/]", highlight=False)
    if report:
        console.print(_table(report))


async def _read(queue: IndexQueue, job_id: str) -> tuple[JobStatus, Report | None]:
    handle = queue.job(job_id)
    status = await handle.status()
    if status is JobStatus.NOT_FOUND:
        raise JobNotFound(f"job {job_id}: never enqueued here, or its report has expired")
    return status, await handle.report()


def _table(report: Report) -> Table:
    table = Table(show_header=False)
    for name, value in report.to_wire().items():
        if name == "rejected":
            for rejection in report.rejected:
                where = f"action {rejection.position}: " if report.counts else ""
                table.add_row("rejected", escape(f"{where}{rejection.type}: {rejection.reason}"), style="red")
        else:
            table.add_row(name, escape(str(value)))
    return table
