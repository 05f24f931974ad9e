"""What is checked before a worker takes its first job.

1. The registry of sources can be loaded.
2. Redis is one that a worker can work with, and keeps what it is given (`redis_checks`).
3. No worker of the other kind is on the queue (`sharing`).

A setting turns each refusal into a warning, except where nothing would work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from settings import Settings, SettingsError

from .redis_checks import Info, impossible, unsafe, untold
from .registry import load_registry
from .sharing import Kind, Mark

logger = logging.getLogger("penstock.start")

# The exit code of a worker that its settings, or what they name, keep from starting.
REFUSED = 2


class StartRefused(Exception):
    """Raised when a worker must not start as things are; its text is one line for each of its `problems`."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


async def check_start(redis: Redis, settings: Settings, mark: Mark) -> None:
    """Load the sources, then wait until Redis answers and check it. Raises StartRefused."""
    try:
        load_registry(settings.sources)
    except SettingsError as error:
        raise StartRefused(*error.problems) from None
    while True:
        try:
            info = await _info(redis)
            if cluster := impossible(info):  # it would not take the mark either
                raise StartRefused(*cluster)
            others = await mark.left()
            break
        except (RedisError, OSError) as error:
            logger.warning("Redis does not answer (%s); tried again", error)
            await asyncio.sleep(settings.heartbeat_seconds)
    if missing := untold(info):
        logger.warning("Redis does not say whether it keeps jobs (no %s in INFO)", " and no ".join(missing))
    refused = [
        *_unless_allowed(unsafe(info), settings.allow_unsafe_redis),
        *_unless_allowed(_not_alone(settings, mark.kind, others), settings.allow_stock_workers),
    ]
    if refused:
        await mark.remove()
        raise StartRefused(*refused)


async def _info(redis: Redis) -> Info:
    """What Redis says of itself; nothing where the user may not ask."""
    try:
        info: Info = await redis.info()
    except ResponseError as error:
        logger.warning("Redis does not let this user ask for INFO (%s)", error)
        return {}
    return info


def _unless_allowed(problems: Sequence[str], allowed: bool) -> Sequence[str]:
    if not allowed:
        return problems
    for problem in problems:
        logger.warning("allowed by the settings: %s", problem)
    return ()


def _not_alone(settings: Settings, kind: Kind, others: Sequence[str]) -> list[str]:
    if not others:
        return []
    theirs = "arq's own workers" if kind is Kind.PENSTOCK else "Penstock's workers"
    return [
        f"PENSTOCK_QUEUE: expected a queue without {theirs}, got {settings.queue} with {', '.join(others)}: "
        "each kind would run jobs that the other is running; stop them (a killed one counts for "
        f"{settings.lease_seconds:g} s more), name another queue, or set PENSTOCK_ALLOW_STOCK_WORKERS=true "
        "to run both all the same"
    ]
