"""Tells those who wait for a job that it has ended, so that nobody has to poll for it.

1. Whoever waits leaves the job's id with the client's own channel in a hash (`keys.awaited`).
2. The worker that ends the job finds the id there and publishes it on that channel (worker/lua/finish.lua).
3. One subscription a client, made at its first wait, wakes the waiter.

A message can be lost (a cut connection), and arq's stock worker sends none: waiting on this alone is not
enough, a slow poll goes beside it. Of two clients that wait for one job the later one is told.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from . import keys

# Below the connection's own time limit, which would cut it.
_READ_SECONDS = 2.0
_RECONNECT_SECONDS = 1.0


class EndedJobs:
    """The waiters of one client. `close` ends the subscription."""

    def __init__(self, redis: Redis, queue: str) -> None:
        self._redis, self._queue = redis, queue
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.channel = keys.ended_channel(queue, os.urandom(12).hex())

    @contextmanager
    def waiting_for(self, id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job has ended, if the message comes through."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        event = asyncio.Event()
        waiters = self._waiting.setdefault(id, set())
        waiters.add(event)
        try:
            yield event
        finally:
            waiters.discard(event)
            if not waiters:
                self._waiting.pop(id, None)

    def waiters(self, id: str) -> int:
        """How many of this client wait for the job."""
        return len(self._waiting.get(id, ()))

    async def subscribed(self) -> bool:
        """Whether messages arrive by now; waits a moment for a subscription that is being made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self._subscribed.wait()
        return self._subscribed.is_set()

    async def close(self) -> None:
        """End the subscription; who still waits goes on polling."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Python 3.11's wait_for can swallow a cancel just as its call ends, and redis-py uses it.
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self.channel)
                    while True:
                        self._heard(await channel.get_message(timeout=_READ_SECONDS))
            except (RedisError, OSError):
                self._subscribed.clear()
                await asyncio.sleep(_RECONNECT_SECONDS)

    def _heard(self, message: dict[str, object] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            self._subscribed.set()
        elif isinstance(data := message["data"], bytes):
            for event in self._waiting.get(data.decode(), ()):
                event.set()
