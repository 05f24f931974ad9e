"""The worker's connections to Redis.

arq's `RedisSettings` prints its password and does not percent-decode it, and arq's pool has no socket
timeout, so that a paused Redis would hang the worker for good. The pool made here has neither fault.

redis-py calls a connection that is lost under a WATCH a change of what is watched, and arq's `enqueue_job`
then says of a job that was never stored that it is there. The pool made here says what happened.
"""

from __future__ import annotations

from typing import Any

from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import ConnectionPool
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import FullJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError, WatchError

from jobs import deserialize, serialize
from jobs.connection import REPEATABLE, mended
from settings import Settings

_RETRIES = 3


class LostUnderWatch(RedisConnectionError, ResponseError):
    """Raised when a connection was lost between a WATCH and the end of its transaction.

    A ResponseError too: arq's own worker that takes up a job goes on after one, as after a WatchError.
    """


class _Transaction(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        try:
            return await super().execute(raise_on_error)
        except WatchError as error:
            # Raised from None where what is watched has changed; else while the lost connection is handled.
            if error.__suppress_context__ or not isinstance(error.__context__, REPEATABLE):
                raise
            raise LostUnderWatch(str(error.__context__)) from error.__context__


class _Redis(ArqRedis):
    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Transaction(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def redis_pool(settings: Settings, *, repeat: bool = True) -> ArqRedis:
    """A client that connects at its first command. `repeat` is for commands that are safe to repeat."""
    retry = Retry(FullJitterBackoff(cap=0.5, base=0.05), _RETRIES) if repeat else Retry(NoBackoff(), 0)
    connections = ConnectionPool.from_url(
        settings.redis_url.reveal(),
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        socket_keepalive=True,
        health_check_interval=30,
        retry=retry,
        retry_on_error=list(REPEATABLE) if repeat else [],
    )
    return _Redis(
        mended(connections),
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=settings.queue,
    )


def arq_redis_settings(settings: Settings) -> RedisSettings:
    """What `arq --check` and arq's own pool need, percent-decoded."""
    url = settings.redis_url
    options = dict(url.tls_options)
    return RedisSettings(
        host=url.host,
        port=url.port,
        unix_socket_path=url.unix_socket_path,
        database=url.database,
        username=url.username,
        password=url.password.get_secret_value() if url.password else None,
        ssl=url.tls,
        ssl_cert_reqs=options.get("ssl_cert_reqs", "required"),
        ssl_ca_certs=options.get("ssl_ca_certs"),
        ssl_certfile=options.get("ssl_certfile"),
        ssl_keyfile=options.get("ssl_keyfile"),
        ssl_check_hostname=url.verifies_certificates,
    )
