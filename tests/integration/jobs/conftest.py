"""What the tests of the producer stand on: a proxy that cuts connections, and a Redis to be ill-treated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from embedded import RedisServer, start_redis
from jobs import IndexQueue, deserialize, serialize


class CuttingProxy:
    """Stands between a producer and Redis, and cuts connections when told to.

    `requests_to_cut` requests are swallowed (Redis never sees them); `replies_to_cut` requests are
    forwarded and their replies swallowed (Redis has executed them, the producer can't know). `on_cut`
    runs before the connection is closed.
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.requests_to_cut = 0
        self.replies_to_cut = 0
        self.cuts = 0
        self.on_cut: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections; the open ones end with their clients."""
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        pumps = [
            asyncio.ensure_future(self._pump(reader, upstream_writer, self._cuts_request)),
            asyncio.ensure_future(self._pump(upstream_reader, writer, self._cuts_reply)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, upstream_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Callable[[], bool]
    ) -> None:
        while data := await reader.read(1 << 16):
            if cut():
                self.cuts += 1
                if self.on_cut:
                    await self.on_cut()
                return
            writer.write(data)
            await writer.drain()

    def _cuts_request(self) -> bool:
        self.requests_to_cut, cut = max(0, self.requests_to_cut - 1), self.requests_to_cut > 0
        return cut

    def _cuts_reply(self) -> bool:
        self.replies_to_cut, cut = max(0, self.replies_to_cut - 1), self.replies_to_cut > 0
        return cut


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[CuttingProxy]:
    """A proxy before this test's Redis."""
    parts = urlsplit(redis_url)
    cutting = CuttingProxy(parts.hostname or "127.0.0.1", parts.port or 6379)
    await cutting.start()
    yield cutting
    await cutting.close()


@pytest.fixture
async def cut_queue(proxy: CuttingProxy, redis_url: str) -> AsyncIterator[IndexQueue]:
    """A producer behind the proxy that has enqueued nothing yet, but has its script loaded."""
    parts = urlsplit(redis_url)
    user, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
    async with IndexQueue(url) as queue:
        assert await queue.enqueue_many([]) == []
        await queue._redis.script_load(queue._script.script)
        yield queue


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis of this module's alone: its settings may be changed, and it may be stopped."""
    with start_redis() as server:
        yield server


@pytest.fixture
async def arq_pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A plain arq pool with nothing of Penstock's but its serializer."""
    pool = await create_pool(
        RedisSettings.from_dsn(redis_url), job_serializer=serialize, job_deserializer=deserialize
    )
    yield pool
    await pool.aclose()
