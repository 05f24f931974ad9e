"""A Redis client for producers that survives what Redis does in real life.

Every command is repeated a few times after a cut connection, a timeout or a refused connect: all that
a producer sends may be repeated safely. A plain OSError is among them, since that is what a refused
connect raises beneath redis-py. Without a socket timeout a paused Redis would hang the caller for good.
Under uvloop a write to a connection that was cut a moment ago raises a RuntimeError: `mended` makes it an
error of the connection, which it is. So it does with the answer of a Redis that was made a replica while its
connections stayed open: its address may lead to the new primary by now, and nothing was executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    ExecAbortError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from .errors import QueueFull, QueueUnavailable

TIMEOUT_SECONDS = 5.0
_RETRIES = 5
REPEATABLE: tuple[type[Exception], ...] = (RedisConnectionError, RedisTimeoutError, OSError)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turns what Redis and the network raise into QueueUnavailable, in one place."""
    try:
        yield
    except OutOfMemoryError as error:  # it refuses a script before its first write
        why = f"Redis did not {what}: it is full ({error}); let workers drain it, or give it more memory"
        raise QueueFull(why) from error
    except (RedisError, OSError) as error:
        raise QueueUnavailable(f"Redis did not {what}: {type(error).__name__}: {error}") from error


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Redis:
    """A client for `url` (redis://, rediss:// or unix://; percent-encoded passwords are decoded).

    Connects at the first command. Raises ValueError where the URL has another scheme.
    """
    # `retry_on_error` adds its types to those that the retry object knows.
    retry = Retry(FullJitterBackoff(cap=1.0, base=0.05), _RETRIES)
    client: Redis = Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_keepalive=True,
        health_check_interval=30,
        retry=retry,
        retry_on_error=list(REPEATABLE),
    )
    mended(client.connection_pool)
    return client


def mended(pool: ConnectionPool) -> ConnectionPool:
    """The pool, whose connections raise redis-py's errors alone for a connection that is gone, and are gone
    where a replica has refused what was asked of it.
    """
    pool.connection_class = _mended(pool.connection_class)
    return pool


# uvloop's words, in a plain RuntimeError, for a transport that the other end or a timeout has closed.
_CLOSED_TRANSPORT = "the handler is closed"
_Connection = TypeVar("_Connection", bound=AbstractConnection)


def _mended(base: type[_Connection]) -> type[_Connection]:
    class Connection(base):  # type: ignore[valid-type, misc]  # plain, TLS or a Unix socket, as the URL says
        async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
            try:
                await super().send_packed_command(*arguments, **options)
            except RuntimeError as error:
                if _CLOSED_TRANSPORT not in str(error):
                    raise
                raise RedisConnectionError("the connection was closed while it was written to") from error

        async def read_response(self, *arguments: Any, **options: Any) -> Any:
            try:
                answer = await super().read_response(*arguments, **options)
            except ResponseError as error:
                if _is_of_a_replica(error):
                    await self._leave(error)
                raise
            # Of a script within MULTI and EXEC: its error is one answer among those of the others.
            if isinstance(answer, list) and ReadOnlyError in map(type, answer):
                await self._leave(next(each for each in answer if type(each) is ReadOnlyError))
            return answer

        async def _leave(self, error: ResponseError) -> NoReturn:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"it is a replica now, and was left: {error}") from error

    return Connection


def _is_of_a_replica(error: ResponseError) -> bool:
    """Whether a replica refuses: a write; a transaction that began before it was one; or, told to serve no
    stale data, anything (not every redis-py has a class for that).
    """
    match error:
        case ReadOnlyError() | MasterDownError():
            return True
        case ExecAbortError():
            return "READONLY" in str(error) or "MASTERDOWN" in str(error)
        case _:
            return str(error).startswith("MASTERDOWN")
