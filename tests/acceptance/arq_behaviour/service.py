"""A service as arq's users write one: functions, a cron job, hooks. Real worker processes import it.

What happens in the process is told through a Redis list, in order.
"""

from __future__ import annotations

import asyncio
from typing import Any

from arq.cron import cron
from arq.worker import Retry, func

TOLD = "told"


async def tell(ctx: dict[str, Any], word: str) -> None:
    """Add a word to what the test reads."""
    await ctx["redis"].rpush(TOLD, word)


async def add(ctx: dict[str, Any], first: int, *, second: int) -> int:
    """A short function."""
    return first + second


async def third_time(ctx: dict[str, Any]) -> int:
    """Works at its third try."""
    if ctx["job_try"] < 3:
        raise Retry(defer=0.05)
    return int(ctx["job_try"])


async def breaks(ctx: dict[str, Any]) -> None:
    """Fails."""
    raise ValueError("the reason")


async def waits(ctx: dict[str, Any]) -> None:
    """Waits until it is cancelled."""
    await tell(ctx, f"waits {ctx['job_id']}")
    await asyncio.Event().wait()


async def nightly(ctx: dict[str, Any]) -> None:
    """A cron job."""
    await tell(ctx, "nightly")


def _hook(name: str) -> Any:
    async def hook(ctx: dict[str, Any]) -> None:
        await tell(ctx, f"{name} {ctx['job_id']}" if "job_id" in ctx else name)

    return hook


OPTIONS: dict[str, Any] = {
    "functions": [
        func(add, name="add"),
        func(third_time, name="third_time"),
        func(breaks, name="breaks"),
        func(waits, name="waits"),
        func(waits, name="waits_shortly", timeout=0.2),
    ],
    "on_startup": _hook("on_startup"),
    "on_shutdown": _hook("on_shutdown"),
    "on_job_start": _hook("on_job_start"),
    "on_job_end": _hook("on_job_end"),
    "after_job_end": _hook("after_job_end"),
    "allow_abort_jobs": True,
}
CRON = {"cron_jobs": [cron(nightly, name="nightly", second=set(range(60)), run_at_startup=True)]}

# For `penstock worker`: arq reads a class's own attributes.
Service = type("Service", (), OPTIONS)
ServiceWithCron = type("ServiceWithCron", (), OPTIONS | CRON)
