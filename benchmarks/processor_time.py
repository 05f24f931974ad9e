"""How much processor time each of the processes has used, read from the operating system.

A server is found by the port on which it listens; one that listens elsewhere (another machine, a container)
is left out, and the tables show a dash.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import psutil

from .reading import Reading, Role

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def listening_process(url: str) -> int | None:
    """The process that listens on the port of this URL, if it is on this machine and may be seen."""
    address = urlsplit(url)
    if address.hostname not in _THIS_MACHINE:
        return None
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows other processes' connections to root alone
        return None
    for connection in connections:
        local = connection.laddr
        listens = connection.status == psutil.CONN_LISTEN and local and local.port == address.port
        if listens and connection.pid is not None:
            return connection.pid
    return None


def seconds_of(pid: int) -> float:
    """User and system time of a process, of what it started, and of what it started that has ended."""
    try:
        process = psutil.Process(pid)
        return sum(_own_seconds(each) for each in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


def _own_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


class Stopwatch:
    """Runs from the moment it is made: wall time, and processor time by role.

    `processes` are those besides this one, which is (part of) the producer.
    """

    def __init__(self, processes: Mapping[Role, Sequence[int]]) -> None:
        self._processes = {Role.PRODUCER: (), **processes}
        self._before = self._seconds()
        self._started = time.perf_counter()

    def rate(self, units: int) -> Reading:
        """Units a second until now, with µs of processor time per unit."""
        elapsed = time.perf_counter() - self._started
        now = self._seconds()
        used = {role: (now[role] - self._before[role]) / units * 1e6 for role in now}
        return Reading(units / elapsed, used)

    def _seconds(self) -> dict[Role, float]:
        seconds = {role: sum(map(seconds_of, pids)) for role, pids in self._processes.items()}
        # This process alone: what it started is either somebody else's role or named above.
        seconds[Role.PRODUCER] += time.process_time()
        return seconds
