"""A write to a connection that was cut a moment ago fails as one, whatever the loop raises."""

from __future__ import annotations

import asyncio

import pytest
import uvloop
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

from jobs.connection import mended


class Raising:
    """In place of redis-py's connection: its write raises what it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send_packed_command(self, command: object, check_health: bool = True) -> None:
        raise self._error


def connection_that_raises(error: Exception) -> Raising:
    pool = mended(ConnectionPool(connection_class=Raising, error=error))
    connection: Raising = pool.make_connection()
    return connection


async def error_of_uvloop() -> RuntimeError:
    """What uvloop really raises where a transport is closed."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.transport.abort()
    await asyncio.sleep(0)
    try:
        writer.writelines([b"PING"])
    except RuntimeError as error:
        return error
    finally:
        server.close()
    raise AssertionError("uvloop has written to a closed transport")


async def test_a_transport_that_was_closed_is_a_lost_connection() -> None:
    error = await asyncio.to_thread(uvloop.run, error_of_uvloop())

    with pytest.raises(RedisConnectionError):
        await connection_that_raises(error).send_packed_command(b"PING")


async def test_any_other_defect_is_not_hidden() -> None:
    error = RuntimeError("this event loop is closed already")

    with pytest.raises(RuntimeError, match="event loop is closed"):
        await connection_that_raises(error).send_packed_command(b"PING")
