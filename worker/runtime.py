"""What a worker process has for writing: the client, the writer, the batcher. One per process.

Made inside the running loop, after any fork; `close` is called on every way out. Both kinds of worker
use it: Penstock's own, and arq's stock worker, which finds it in its context.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from elasticsearch import AsyncElasticsearch

from settings import Settings

from .backoff import Backoff
from .batcher import Batcher, Limits
from .elastic import ProcessClient
from .gc_deletes import GcDeletes
from .loading import Reading
from .registry import load_registry
from .retries import OnBlocked
from .superseded import SupersededRate
from .watched_writer import WatchedWriter
from .writer import BulkWriter

CONTEXT_KEY = "penstock"


class Runtime:
    """See the module. `batcher` is the stock worker's; each session of Penstock's own has a new one.

    `stopping` is set when the process is told to stop, for functions that can go on elsewhere.
    """

    def __init__(self, settings: Settings, stopping: asyncio.Event | None = None) -> None:
        self.settings = settings
        self.stopping = stopping or asyncio.Event()
        self.registry = load_registry(settings.sources)
        self._elastic = ProcessClient.of(settings)
        self._gc_deletes = GcDeletes(self._elastic, settings.gc_deletes)
        self._superseded = SupersededRate(time.monotonic)
        self.backoff = Backoff.of(settings)
        self.name = self.new_name()
        self.batcher = self.new_batcher(self.name)

    @property
    def client(self) -> AsyncElasticsearch:
        """The process's client. Raises UsedAfterFork in any other process."""
        return self._elastic.client

    def new_name(self) -> str:
        """An id for a worker: host, process and a random part, since process ids are used again."""
        return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    def new_batcher(
        self, name: str, on_blocked: OnBlocked | None = None, may_send: Callable[[], bool] = lambda: True
    ) -> Batcher:
        """A batcher on this process's client; `name` goes into its batch ids.

        `on_blocked`: see Batcher; `may_send`: see BulkWriter.
        """
        limits = Limits(
            self.settings.batch_max_actions,
            self.settings.batch_max_bytes,
            self.settings.max_requests_in_flight,
        )
        writer = WatchedWriter(BulkWriter(self._elastic, may_send), self._gc_deletes, self._superseded)
        self._latest = Batcher(
            name, writer.write, limits, self.backoff, on_blocked=on_blocked, reading=self._reading()
        )
        return self._latest

    def live_is_busy(self) -> bool:
        """Whether writes of jobs are under way in this process."""
        return self._latest.in_flight > 0

    def _reading(self) -> Reading:
        settings = self.settings
        return Reading(
            self.registry.sources,
            settings.source_batch_size,
            settings.source_concurrency,
            settings.source_timeout_seconds,
            settings.claimed_max_bytes,
            settings.job_max_bytes,
        )

    async def close(self) -> None:
        """Close the client, after the stock worker's requests in flight were cut."""
        await self.batcher.drain(0)
        await self.registry.close()
        await self._gc_deletes.close()
        await self._elastic.close()


def runtime_of(ctx: Mapping[Any, Any]) -> Runtime:
    """The runtime in arq's context, for functions that run beside Penstock's own."""
    runtime = ctx[CONTEXT_KEY]
    assert isinstance(runtime, Runtime)
    return runtime
