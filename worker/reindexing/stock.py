"""Looks for arq's own workers, on every queue that is known: they tell nobody which documents they write."""

from __future__ import annotations

import time

from redis.asyncio import Redis

from jobs import keys

from ..sharing import Kind


async def stock_workers(redis: Redis, queue: str) -> list[str]:
    """Their names, of those alive."""
    known = await redis.smembers(keys.QUEUES)  # type: ignore[misc]  # typed for both clients
    names: list[str] = []
    for one in sorted({queue, *(raw.decode() for raw in known)}):
        alive = await redis.zrangebyscore(keys.marks(one), time.time() * 1000, "+inf")
        said = (mark.decode().partition(" ") for mark in alive)
        names += [name for kind, _, name in said if kind == Kind.STOCK]
    return names
