"""The proxy itself, between a plain client and an echoing server that counts what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import HOST, Side, TcpProxy


class Echo:
    """Answers each line with itself, and remembers it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.received.append(line)
            writer.write(line)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, line: bytes) -> None:
        self._writer.write(line)

    async def answer(self) -> bytes:
        """The next line; empty where the connection was closed."""
        try:
            return await asyncio.wait_for(self._reader.readline(), 5)
        except ConnectionResetError:
            return b""

    async def ask(self, line: bytes) -> bytes:
        self.send(line)
        return await self.answer()

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, TcpProxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    proxy = TcpProxy(server.sockets[0].getsockname()[1])
    await proxy.listen()
    yield echo, proxy
    await proxy.refuse()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def clients(echo: tuple[Echo, TcpProxy]) -> AsyncIterator[list[Client]]:
    opened = [Client(*await asyncio.open_connection(HOST, echo[1].port)) for _ in range(4)]
    yield opened
    for client in opened:
        client.close()


async def test_it_passes_everything_on(echo: tuple[Echo, TcpProxy], clients: list[Client]) -> None:
    assert [await clients[0].ask(line) for line in (b"a\n", b"b\n")] == [b"a\n", b"b\n"]


@pytest.mark.parametrize(
    ("side", "received"),
    [(Side.REQUEST, [b"1 x\n", b"2\n", b"4 x\n"]), (Side.ANSWER, [b"1 x\n", b"2\n", b"3 x\n", b"4 x\n"])],
)
async def test_every_kth_marked_message_is_lost_before_or_after_it_was_executed(
    echo: tuple[Echo, TcpProxy], clients: list[Client], side: Side, received: list[bytes]
) -> None:
    server, proxy = echo
    with proxy.cutting(2, side, b"x") as cut:
        answers = [await clients[0].ask(line) for line in (b"1 x\n", b"2\n", b"3 x\n")]
        assert answers == [b"1 x\n", b"2\n", b""]
        assert await clients[1].ask(b"4 x\n") == b"4 x\n"

    assert server.received == received
    assert (cut.seen, cut.cuts) == (3, 1)
    assert await clients[2].ask(b"5 x\n") == b"5 x\n", "nothing is cut after the block"


async def test_a_held_request_arrives_when_it_is_let_go(
    echo: tuple[Echo, TcpProxy], clients: list[Client]
) -> None:
    server, proxy = echo
    hold = proxy.hold(Side.REQUEST, b"x")
    clients[0].send(b"x\n")
    await asyncio.wait_for(hold.caught.wait(), 5)
    assert await clients[1].ask(b"y\n") == b"y\n"
    assert server.received == [b"y\n"]

    hold.release()

    assert await clients[0].answer() == b"x\n"


async def test_a_held_request_arrives_though_its_sender_is_gone(
    echo: tuple[Echo, TcpProxy], clients: list[Client]
) -> None:
    server, proxy = echo
    hold = proxy.hold(Side.REQUEST)
    clients[0].send(b"x\n")
    await asyncio.wait_for(hold.caught.wait(), 5)
    clients[0].close()

    hold.release()

    assert await clients[1].ask(b"y\n") == b"y\n"
    assert server.received == [b"x\n", b"y\n"]


async def test_a_held_answer_belongs_to_a_request_that_was_executed(
    echo: tuple[Echo, TcpProxy], clients: list[Client]
) -> None:
    server, proxy = echo
    hold = proxy.hold(Side.ANSWER)
    clients[0].send(b"x\n")

    await asyncio.wait_for(hold.caught.wait(), 5)
    assert server.received == [b"x\n"]

    hold.release()
    assert await clients[0].answer() == b"x\n"


async def test_a_half_open_connection_is_mute_for_good(
    echo: tuple[Echo, TcpProxy], clients: list[Client]
) -> None:
    server, proxy = echo
    proxy.swallows = True
    clients[0].send(b"x\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clients[0].answer(), 0.2)

    proxy.heal()

    assert await clients[1].ask(b"y\n") == b"y\n"
    assert server.received == [b"y\n"]


async def test_refused_connections_and_the_same_port_again(echo: tuple[Echo, TcpProxy]) -> None:
    _, proxy = echo
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, proxy.port)

    await proxy.listen()

    client = Client(*await asyncio.open_connection(HOST, proxy.port))
    assert await client.ask(b"x\n") == b"x\n"
    client.close()
