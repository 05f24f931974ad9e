"""The running process: claims jobs from Redis, batches their writes into Elasticsearch, reports.

``penstock worker`` runs it; ``arq worker.WorkerSettings`` runs the same jobs under arq's own worker.
"""

from __future__ import annotations

from typing import Any

__all__ = ["WorkerSettings"]


def __getattr__(name: str) -> Any:
    """`WorkerSettings` on first use: its values come from the environment, and imports do no work."""
    if name != "WorkerSettings":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from settings import load

    from .stock import worker_settings

    return worker_settings(load())
