"""The arq settings class of a worker that is deployed later than its producers."""

from __future__ import annotations

from typing import Any

RAN = "faults:ran"


async def resize(ctx: dict[str, Any], number: int) -> int:
    """Leaves a trace of each run."""
    return int(await ctx["redis"].hincrby(RAN, str(number), 1))


class WorkerSettings:
    """See the module."""

    functions = (resize,)
