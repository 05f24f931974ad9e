"""``penstock worker``: run one or several worker processes."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated, Any

import typer

from ..arq_settings import ArqSettingsError, arq_arguments
from ..logs import set_up_logging
from ..run import run_worker
from ..supervisor import Supervisor
from .common import QueueName, errors, settings_or_exit


def worker(
    arq_settings: Annotated[
        str | None,
        typer.Argument(
            metavar="[CLASS]",
            help="Import path of an arq settings class: its functions, cron jobs and hooks run beside ours.",
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes to run.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="End when the queue is empty.")] = False,
    queue: QueueName = None,
) -> None:
    """Run the worker: claim jobs, batch their writes into Elasticsearch, report. SIGTERM stops it cleanly."""
    settings = settings_or_exit(queue)
    arq = _arq_arguments_or_exit(arq_settings) if arq_settings else {}
    set_up_logging(settings)
    if processes == 1:
        raise typer.Exit(run_worker(settings, burst=burst, arq=arq))
    work = partial(run_worker, settings, burst=burst, parent=os.getpid(), arq=arq)
    raise typer.Exit(Supervisor(work, processes, burst=burst).run())


def _arq_arguments_or_exit(path: str) -> dict[str, Any]:
    try:
        return arq_arguments(path)
    except ArqSettingsError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None
