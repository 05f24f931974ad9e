"""Custom functions, cron jobs and hooks from a settings class as arq's users write it.

    class WorkerSettings:
        functions = [send_mail]
        cron_jobs = [cron(nightly, hour=3)]

``penstock worker package.module.WorkerSettings`` runs them beside Penstock's own jobs. What Penstock's
own settings decide (where Redis is, which queue, how jobs are serialised) is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arq.utils import import_string
from arq.worker import func, get_kwargs

from jobs.models import PAYLOADS

from .current_directory import make_importable

_TAKEN = frozenset(
    {
        "functions",
        "cron_jobs",
        "on_startup",
        "on_shutdown",
        "on_job_start",
        "on_job_end",
        "after_job_end",
        "max_jobs",
        "job_timeout",
        "max_tries",
        "retry_jobs",
        "allow_abort_jobs",
        "health_check_interval",
        "health_check_key",
        "ctx",
        "timezone",
        "log_results",
    }
)


class ArqSettingsError(ValueError):
    """Raised when a settings class can't be imported or sets what Penstock's own settings decide."""


def refused_names(arq: Mapping[str, Any]) -> list[str]:
    """Those of arq's worker arguments that are not for a user of Penstock to set."""
    return sorted(arq.keys() - _TAKEN)


def arq_arguments(path: str) -> dict[str, Any]:
    """What `PenstockWorker` takes from the class at an import path. Raises ArqSettingsError."""
    make_importable()
    try:
        found = get_kwargs(import_string(path))
    except ImportError as error:
        raise ArqSettingsError(f"{path}: {error}") from error
    if not found:
        raise ArqSettingsError(
            f"{path} sets nothing that arq knows; expected a class with functions or cron_jobs"
        )
    if refused := refused_names(found):
        raise ArqSettingsError(
            f"{path} sets {', '.join(refused)}: with `penstock worker` these are PENSTOCK_ variables "
            "(see `penstock settings`) or decided by Penstock; remove them from the class"
        )
    _check_names(path, found)
    return dict(found)


def _check_names(path: str, found: Mapping[str, Any]) -> None:
    try:
        names = {function.name for function in map(func, found.get("functions", ()))}
    except (RuntimeError, ImportError) as error:  # not a coroutine function, or no such function
        raise ArqSettingsError(f"{path}.functions: {error}") from error
    names |= {job.name for job in found.get("cron_jobs") or ()}
    if taken := sorted(names & PAYLOADS.keys()):
        raise ArqSettingsError(f"{path}: these names are Penstock's own jobs: {', '.join(taken)}")
