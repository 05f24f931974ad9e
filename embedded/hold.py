"""Hold the services: in this process until a signal ends it, or in a process of its own in the background.

1. `hold` takes the state's lock, starts the servers, writes the state, and stays until a signal.
2. `hold_in_background` runs the same command in a session of its own and returns when its state is there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .errors import ServicesError, StartFailed
from .servers import EmbeddedServers
from .state import Services, State

LOOK_SECONDS = 0.5
PACKAGE_PARENT = Path(__file__).resolve().parent.parent


def hold(
    servers: EmbeddedServers, state: State, data_directory: Path | None, ready: Callable[[Services], None]
) -> None:
    """Return after SIGINT, SIGTERM or SIGHUP.

    Raises ServicesError if the services run already, StartFailed if one ends by itself, and what
    `EmbeddedServers.start` raises.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with state.held(), servers:
            services = Services(
                pid=os.getpid(),
                redis_url=servers.redis_url,
                elasticsearch_url=servers.elasticsearch_url,
                data_directory=None if data_directory is None else str(data_directory),
            )
            state.write(services)
            ready(services)
            _watch(servers)
    except KeyboardInterrupt:
        return


def hold_in_background(arguments: list[str], state: State) -> Services:
    """Raises ServicesError, with the end of its log, when the process ends before it is ready."""
    # Known here too, before a process is started that could only say the same into its log.
    if state.is_held():
        raise ServicesError("the services run already; see `penstock services status`")
    with state.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded.cli", "up", *arguments],
            cwd=PACKAGE_PARENT,  # so that -m finds this package and not a folder of the same name
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    try:
        services = _wait_for_state(process, state)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    process.returncode = 0  # it lives on: no warning that nobody waits for it
    return services


def _wait_for_state(process: subprocess.Popen[bytes], state: State) -> Services:
    while True:
        services = state.read()
        if services is not None and services.pid == process.pid:
            return services
        if process.poll() is not None:
            end = "\n".join(state.log.read_text(errors="replace").splitlines()[-20:])
            raise ServicesError(f"the services did not start:\n{end}")
        time.sleep(LOOK_SECONDS)


def _watch(servers: EmbeddedServers) -> None:
    while True:
        for server in (servers.redis, servers.elasticsearch):
            if server is not None and not server.running:
                raise StartFailed(f"{server.name} ended by itself:\n{server.instance.last_lines()}")
        time.sleep(LOOK_SECONDS)
