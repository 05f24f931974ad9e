"""Takes away what a run wrote, finished or not: on servers that are not the demo's own it would stay.

Runs after the workers have ended. Reports are left to expire by themselves.
"""

import asyncio

from elastic_transport import TransportError
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from redis.exceptions import RedisError

from jobs import keys
from jobs.connection import connect
from settings import load
from worker.elastic import client_arguments


def remove_all(name: str) -> None:
    """Delete the indices whose name starts so, the queue of that name, and its jobs that no worker took."""
    try:
        asyncio.run(_remove_all(name))
    except (TransportError, RedisError, OSError):
        # A server that is gone is what the demo has failed of: that must be told, and not this.
        return


async def _remove_all(name: str) -> None:
    settings = load()
    elasticsearch = AsyncElasticsearch(**client_arguments(settings))
    async with connect(settings.redis_url.reveal()) as redis, elasticsearch as client:
        await _remove_queue(redis, name)
        # By name, since clusters refuse to delete by a pattern.
        for index in await client.indices.get(index=f"{name}*", filter_path="*.aliases"):
            await client.indices.delete(index=index)


async def _remove_queue(redis: Redis, name: str) -> None:
    """Every key with the name in it, and the jobs that still stand in the queue or in a worker's claim."""
    own = [key.decode() async for key in redis.scan_iter(match=f"*{name}*", count=1_000)]
    ordered = [key for key in own if key == name or key.startswith(keys.claimed_prefix(name))]
    jobs = [job.decode() for key in ordered for job in await redis.zrange(key, 0, -1)]
    for prefix in (keys.JOB_PREFIX, keys.IN_PROGRESS_PREFIX):
        own += [prefix + job for job in jobs]
    if own:
        await redis.unlink(*own)
