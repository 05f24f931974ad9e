"""``penstock worker``: run one or several worker processes."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from ..logs import set_up_logging
from ..run import run_worker
from ..supervisor import Supervisor
from .common import QueueName, settings_or_exit


def worker(
    processes: Annotated[int, typer.Option(min=1, help="Worker processes to run.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="End when the queue is empty.")] = False,
    queue: QueueName = None,
) -> None:
    """Run the worker: claim jobs, batch their writes into Elasticsearch, report. SIGTERM stops it cleanly."""
    settings = settings_or_exit(queue)
    set_up_logging(settings)
    if processes == 1:
        raise typer.Exit(run_worker(settings, burst=burst))
    work = partial(run_worker, settings, burst=burst, parent=os.getpid())
    raise typer.Exit(Supervisor(work, processes, burst=burst).run())
