"""A real Elasticsearch node on loopback, run from the distribution in the cache.

1. A directory of its own holds configuration, data, logs and temporary files.
2. The node picks its ports from a quiet range and writes the one for HTTP to `logs/http.ports`.
3. It is ready when `/_cluster/health` answers with all primaries there (this build has no `GET /`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .account import server_account
from .answers import elasticsearch_answers
from .configuration import LOGGING, elasticsearch_yml, jvm_options
from .distribution import Distribution, install
from .errors import EmbeddedError
from .instance import Instance, make_instance
from .places import install_directory
from .ports import HOST, free_port, require_free
from .server import Server
from .supervisor import Command

PORTS_TO_CHOOSE_FROM = 100
TLS = "xpack.security.http.ssl.enabled"


class ElasticsearchServer(Server):
    """An embedded Elasticsearch node."""

    name = "Elasticsearch"
    start_seconds = 180.0

    def __init__(
        self,
        distribution: Distribution,
        instance: Instance,
        port: int | None,
        *,
        heap_mb: int,
        settings: Mapping[str, str],
        credentials: tuple[str, str] | None,
    ) -> None:
        self._distribution = distribution
        self._port = port
        self._heap_mb = heap_mb
        self._settings = dict(settings)
        self._credentials = credentials
        super().__init__(instance)

    @property
    def home(self) -> Path:
        """The unzipped distribution, shared by all nodes of this machine; its tools are in `bin`."""
        return self._distribution.home

    @property
    def port(self) -> int:
        """The port for HTTP on 127.0.0.1. Raises EmbeddedError before the node has chosen one."""
        if self._port is None:
            raise EmbeddedError("Elasticsearch has not chosen its port yet; wait until it is ready")
        return self._port

    @property
    def url(self) -> str:
        return f"{'https' if self._uses_tls else 'http'}://{HOST}:{self.port}"

    @property
    def _uses_tls(self) -> bool:
        return self._settings.get(TLS) == "true"

    @property
    def _port_file(self) -> Path:
        return self.instance.directory / "logs" / "http.ports"

    def _command(self) -> Command:
        config, logs, temporary = map(self.instance.subdirectory, ("config", "logs", "tmp"))
        self.instance.subdirectory("data")
        self._port_file.unlink(missing_ok=True)
        self._write_configuration(config)
        return Command(
            arguments=(str(self._distribution.home / "bin" / "elasticsearch"),),
            environment={
                "PATH": os.defpath,
                "LANG": "C.UTF-8",
                "HOME": str(temporary),
                "ES_JAVA_HOME": str(self._distribution.java_home),
                "ES_PATH_CONF": str(config),
                "ES_TMPDIR": str(temporary),
                "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",  # the launcher lives too briefly for more
            },
            directory=logs,
            log=self.instance.log,
            account=self.instance.account,
        )

    def _write_configuration(self, config: Path) -> None:
        distributed = (self._distribution.home / "config" / "jvm.options").read_text()
        http_ports = str(self._port or _port_range())
        yml = elasticsearch_yml(self.instance.directory, http_ports, _port_range(), self._settings)
        self.instance.write(config / "elasticsearch.yml", yml)
        self.instance.write(config / "jvm.options", jvm_options(distributed, self._heap_mb))
        self.instance.write(config / "log4j2.properties", LOGGING)

    def _answers(self) -> bool:
        if self._port is None:
            try:
                self._port = int(self._port_file.read_text().split()[0].rpartition(":")[2])
            except (FileNotFoundError, IndexError):
                return False
        return elasticsearch_answers(self.url, self._credentials)


def start_elasticsearch(
    *,
    port: int | None = None,
    data_directory: Path | None = None,
    heap_mb: int = 1024,
    settings: Mapping[str, str] | None = None,
    config_files: Mapping[str, bytes] | None = None,
    credentials: tuple[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
    show_progress: bool = True,
    wait: bool = True,
) -> ElasticsearchServer:
    """Start a node; close it, or use it in a `with` block. Without a directory its data is temporary.

    `settings` are lines of elasticsearch.yml; `config_files` lie beside it (certificates, `users`). Security
    is off unless the settings turn it on; then `credentials` (user, password) let us see when it is ready.
    Raises DependencyMissing, InstallFailed, StartFailed.
    """
    if port is not None:
        require_free(port, ElasticsearchServer.name)
    account = server_account()
    distribution = install(environment, account, show_progress=show_progress)
    place = install_directory(environment, account)
    instance = make_instance("elasticsearch", data_directory, place, account)
    for name, content in (config_files or {}).items():
        instance.write(instance.subdirectory("config") / name, content)
    server = ElasticsearchServer(
        distribution, instance, port, heap_mb=heap_mb, settings=settings or {}, credentials=credentials
    )
    try:
        server.launch()
        if wait:
            server.wait_until_ready()
    except BaseException:
        server.close()
        raise
    return server


def _port_range() -> str:
    lowest = free_port(PORTS_TO_CHOOSE_FROM)
    return f"{lowest}-{lowest + PORTS_TO_CHOOSE_FROM - 1}"
