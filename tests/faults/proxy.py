"""A TCP proxy in front of Redis or Elasticsearch that cuts, holds, delays, swallows and refuses.

1. A message is what flows in one direction until something flows in the other: a request or its answer.
2. When a request begins, the proxy decides its fate, by its first bytes: they name the script or the path.
3. A request that is cut never arrives; one whose answer is cut has been executed, and nobody is told.
4. A held message waits until it is released: a request that is on the wire for as long as a test wants.

It knows neither protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

HOST = "127.0.0.1"
_CHUNK = 1 << 16


class Side(StrEnum):
    """Which half of an exchange is meant."""

    REQUEST = "request"
    """On its way to the server: cut or held here, it has not been executed."""
    ANSWER = "answer"
    """On its way back: cut or held here, it has been executed and the client does not know."""


@dataclass(slots=True)
class Cut:
    """Cut the connection at every `every`-th exchange whose request contains `marker`."""

    every: int
    side: Side
    marker: bytes = b""
    seen: int = 0
    cuts: int = 0

    def falls_on(self, request: bytes) -> bool:
        """Whether this request's turn has come."""
        if self.marker not in request:
            return False
        self.seen += 1
        due = self.seen % self.every == 0
        self.cuts += due
        return due


@dataclass(slots=True)
class Hold:
    """Keep every message of one side, where the request contains `marker`, until it is let go."""

    side: Side
    marker: bytes = b""
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let what is held travel on, and hold nothing more."""
        self.let_go.set()


class TcpProxy:
    """Forwards to `upstream`; everything that it does wrong is switched on and off while it runs."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.cut: Cut | None = None
        self.answer_delay_seconds = 0.0
        self.swallows = False
        self.accepted: list[float] = []
        """When each connection was accepted, by the loop's clock."""
        self._holds: list[Hold] = []
        self._links: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        """Accept connections; on the same port again after `refuse`."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Drop every connection and refuse new ones, until `listen`."""
        if self._server is None:
            return
        self._server.close()
        await self.drop()
        await self._server.wait_closed()
        self._server = None

    async def drop(self) -> None:
        """Cut every connection that is open now."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def hold(self, side: Side, marker: bytes = b"") -> Hold:
        """From now on keep messages; see Hold."""
        hold = Hold(side, marker)
        self._holds.append(hold)
        return hold

    @contextmanager
    def cutting(self, every: int, side: Side, marker: bytes = b"") -> Iterator[Cut]:
        """Cut for as long as the block runs; the cuts are counted."""
        self.cut = Cut(every, side, marker)
        try:
            yield self.cut
        finally:
            self.cut = None

    def heal(self) -> None:
        """Do nothing wrong any more. A connection that has swallowed something stays mute."""
        self.cut, self.answer_delay_seconds, self.swallows = None, 0.0, False
        for hold in self._holds:
            hold.release()
        self._holds.clear()

    def cuts_off(self, request: bytes) -> Side | None:
        """Which half of the exchange that begins with these bytes is to be cut, if any."""
        return self.cut.side if self.cut and self.cut.falls_on(request) else None

    async def kept(self, side: Side, request: bytes) -> None:
        """Return when no hold keeps this half of the exchange."""
        for hold in [hold for hold in self._holds if hold.side is side and hold.marker in request]:
            if not hold.let_go.is_set():
                hold.caught.set()
                await hold.let_go.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self.accepted.append(asyncio.get_running_loop().time())
        try:
            upstream = await asyncio.open_connection(HOST, self.upstream)
            await _Link(self, reader, writer, *upstream).run()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._links.discard(task)


class _Link:
    """One client's connection and the one that was opened to the server for it."""

    def __init__(
        self,
        proxy: TcpProxy,
        client_reader: asyncio.StreamReader,
        client_writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._client_reader, self._client_writer = client_reader, client_writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self._request = b""
        self._answering = True
        self._cut: Side | None = None

    async def run(self) -> None:
        """Until one end closes or the connection is cut."""
        pumps = [asyncio.create_task(self._requests()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # What was forwarded is still sent: a killed client's last request may arrive.
            writers = (self._client_writer, self._server_writer)
            for pump in pumps:
                pump.cancel()
            for writer in writers:
                writer.close()
            closing = (writer.wait_closed() for writer in writers)
            await asyncio.gather(*pumps, *closing, return_exceptions=True)

    async def _requests(self) -> None:
        while data := await self._client_reader.read(_CHUNK):
            if self._answering:  # the first bytes of a new request
                self._answering, self._request = False, data
                self._cut = self._proxy.cuts_off(data)
            await self._proxy.kept(Side.REQUEST, self._request)
            if self._cut is Side.REQUEST:
                self._abort()
                return
            await self._forward(data, self._server_writer)

    async def _answers(self) -> None:
        while data := await self._server_reader.read(_CHUNK):
            self._answering = True
            if self._cut is Side.ANSWER:
                self._abort()
                return
            await asyncio.sleep(self._proxy.answer_delay_seconds)
            await self._proxy.kept(Side.ANSWER, self._request)
            await self._forward(data, self._client_writer)

    async def _forward(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._proxy.swallows:
            await asyncio.Event().wait()  # half-open: mute in this direction until somebody closes
        writer.write(data)
        await writer.drain()

    def _abort(self) -> None:
        self._client_writer.transport.abort()
        self._server_writer.transport.abort()
