"""Settings classes as arq's users write them, good and bad, to be imported by their paths."""

from typing import Any

from arq.cron import cron
from arq.worker import func


async def work(ctx: dict[str, Any]) -> None:
    """Does nothing."""


class Whole:
    """Of each kind something."""

    functions = (work,)
    cron_jobs = (cron(work, hour=3),)
    on_startup = work
    max_jobs = 3
    allow_abort_jobs = True
    unknown_to_arq = "left out"


class Nothing:
    """Nothing that arq knows."""

    name = "nothing"


class ForPenstockToDecide:
    """What Penstock's own settings say, or what has no meaning here."""

    functions = (work,)
    queue_name = "other"
    keep_result = 3
    max_burst_jobs = 3


class TakesAName:
    """Functions and cron jobs under names of Penstock's jobs."""

    functions = (func(work, name="index"),)
    cron_jobs = (cron(work, name="load", hour=3),)


class NoFunction:
    """Something that can't be run."""

    functions = (print,)
