"""The one `AsyncElasticsearch` of a process: made after fork, inside the running loop, closed at the end.

The transport's own retries are off: a whole-request 429 would be sent four times without a pause, and
the batcher is the only owner of "try again".

Answers are parsed, but for those asked for inside `raw_answers`: copies of documents must keep every digit,
and parsing them only to write them again would cost the most of a copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from elasticsearch import AsyncElasticsearch, OrjsonSerializer

from settings import Settings

# What every error of Elasticsearch begins with, and no other answer.
_ERROR = b'{"error":'
_raw = ContextVar("raw answers", default=False)


class RawSerializer(OrjsonSerializer):
    """orjson's; inside `raw_answers` what is no error comes as the bytes it is."""

    def loads(self, data: bytes) -> Any:
        """Raises SerializationError."""
        return data if _raw.get() and not data.startswith(_ERROR) else super().loads(data)


@contextmanager
def raw_answers() -> Iterator[None]:
    """Answers to this task's requests are not parsed in here; errors are raised as ever."""
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)


class UsedAfterFork(RuntimeError):
    """Raised when a client is used in another process than the one that made it."""


class ProcessClient:
    """Holds a client, made a moment ago, and hands it out only in the process that made it."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self._client = client
        self._process = os.getpid()

    @classmethod
    def of(cls, settings: Settings) -> ProcessClient:
        """A new client, as the settings say."""
        return cls(AsyncElasticsearch(**client_arguments(settings)))

    @property
    def client(self) -> AsyncElasticsearch:
        """The client. Raises UsedAfterFork: its sockets and its loop belong to the process that made it."""
        if os.getpid() != self._process:
            raise UsedAfterFork(
                f"this Elasticsearch client was made in process {self._process} and is used in process "
                f"{os.getpid()}: make one after fork, in each process (worker.elastic.ProcessClient)"
            )
        return self._client

    async def close(self) -> None:
        """Close the connections. In a forked child nothing is done: they are the parent's."""
        if os.getpid() == self._process:
            await self._client.close()


def client_arguments(settings: Settings) -> dict[str, Any]:
    """The keyword arguments of `AsyncElasticsearch`; only what is set, since None is not a default there."""
    arguments: dict[str, Any] = {
        "request_timeout": settings.request_timeout_seconds,
        "connections_per_node": settings.connections_per_node,
        "http_compress": settings.elasticsearch_compress,
        "max_retries": 0,
        "retry_on_timeout": False,
        "retry_on_status": (),
        "serializers": {"application/json": RawSerializer()},
    }
    return arguments | _place(settings) | _credentials(settings) | _tls(settings)


def _place(settings: Settings) -> dict[str, Any]:
    """Where the cluster is. With a cloud id the client refuses every sniffing option, false ones too."""
    if settings.elasticsearch_cloud_id:
        return {"cloud_id": settings.elasticsearch_cloud_id}
    arguments: dict[str, Any] = {
        "hosts": list(settings.elasticsearch_nodes),
        "sniff_on_start": settings.elasticsearch_sniff_on_start,
        "sniff_on_node_failure": settings.elasticsearch_sniff_on_failure,
    }
    if settings.elasticsearch_sniff_interval_seconds is not None:
        arguments["min_delay_between_sniffing"] = settings.elasticsearch_sniff_interval_seconds
    return arguments


def _credentials(settings: Settings) -> dict[str, Any]:
    if settings.elasticsearch_api_key:
        return {"api_key": settings.elasticsearch_api_key.get_secret_value()}
    if settings.elasticsearch_bearer_token:
        return {"bearer_auth": settings.elasticsearch_bearer_token.get_secret_value()}
    if basic := settings.elasticsearch_basic_auth:
        return {"basic_auth": (basic[0], basic[1].get_secret_value())}
    return {}


def _tls(settings: Settings) -> dict[str, Any]:
    if not settings.elasticsearch_cloud_id and not all(url.tls for url in settings.elasticsearch_url):
        return {}
    files = {
        "ca_certs": settings.elasticsearch_ca_certs,
        "client_cert": settings.elasticsearch_client_cert,
        "client_key": settings.elasticsearch_client_key,
    }
    arguments: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
    if not settings.elasticsearch_verify_certs:
        arguments |= {"verify_certs": False, "ssl_show_warn": False}
    return arguments
