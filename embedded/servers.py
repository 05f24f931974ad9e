"""Redis and Elasticsearch together: the servers that the demo, the tests and `services up` run on.

A server that PENSTOCK_REDIS_URL or PENSTOCK_ELASTICSEARCH_URL names is used in place of an embedded one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .elasticsearch_server import ElasticsearchServer, start_elasticsearch
from .errors import EmbeddedError
from .redis_server import RedisServer, start_redis

REDIS_URL = "PENSTOCK_REDIS_URL"
ELASTICSEARCH_URL = "PENSTOCK_ELASTICSEARCH_URL"


class EmbeddedServers:
    """Both servers, started side by side, ended with the `with` block or with this process, however it ends.

    `redis` and `elasticsearch` are the embedded servers, or None where the environment names one to use.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        data_directory: Path | None = None,
        redis_port: int | None = None,
        elasticsearch_port: int | None = None,
        heap_mb: int = 1024,
        show_progress: bool = True,
    ) -> None:
        self._environment = os.environ if environment is None else environment
        self._data_directory = data_directory
        self._redis_port = redis_port
        self._elasticsearch_port = elasticsearch_port
        self._heap_mb = heap_mb
        self._show_progress = show_progress
        self.redis: RedisServer | None = None
        self.elasticsearch: ElasticsearchServer | None = None

    @property
    def redis_url(self) -> str:
        """Raises EmbeddedError before `start`."""
        return self._environment.get(REDIS_URL) or _url(self.redis)

    @property
    def elasticsearch_url(self) -> str:
        """Raises EmbeddedError before `start`."""
        return self._environment.get(ELASTICSEARCH_URL) or _url(self.elasticsearch)

    def start(self) -> Self:
        """Start what the environment does not name, and wait until it answers.

        Raises PlatformUnsupported, DependencyMissing, InstallFailed, StartFailed, and leaves nothing running.
        """
        try:
            self._launch()
            for server in (self.redis, self.elasticsearch):
                if server is not None:
                    server.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End both servers and remove temporary data. May be called twice."""
        for server in (self.elasticsearch, self.redis):
            if server is not None:
                server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _launch(self) -> None:
        """Launch one after the other without waiting: they start up side by side."""
        if not self._environment.get(ELASTICSEARCH_URL):
            self.elasticsearch = start_elasticsearch(
                port=self._elasticsearch_port,
                data_directory=self._data_directory,
                heap_mb=self._heap_mb,
                environment=self._environment,
                show_progress=self._show_progress,
                wait=False,
            )
        if not self._environment.get(REDIS_URL):
            self.redis = start_redis(
                port=self._redis_port,
                data_directory=self._data_directory,
                environment=self._environment,
                wait=False,
            )


def _url(server: RedisServer | ElasticsearchServer | None) -> str:
    if server is None:
        raise EmbeddedError("the embedded servers were not started; use `with EmbeddedServers() as servers:`")
    return server.url
