"""What an embedded Redis and an embedded Elasticsearch have in common: start, wait, signal, stop, restart.

It knows neither protocol; a subclass says how its server is run and whether it answers.
"""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from .errors import EmbeddedError, StartFailed
from .instance import Instance
from .supervisor import Command, Supervisor

STOP_SECONDS = 15.0
LOOK_SECONDS = 0.05


class Server(ABC):
    """One server process on loopback. All methods block; call them in a thread from asynchronous code."""

    name: ClassVar[str]
    start_seconds: ClassVar[float]

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._supervisor = Supervisor(instance.directory if instance.temporary else None, instance.lock)
        self._pid: int | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect to."""

    @property
    @abstractmethod
    def port(self) -> int:
        """The port on 127.0.0.1; the same after `restart`."""

    @property
    def pid(self) -> int:
        """Process id of the server, and of its process group. Raises EmbeddedError before the first start."""
        if self._pid is None:
            raise EmbeddedError(f"{self.name} was not started yet")
        return self._pid

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._supervisor.exit_code() is None

    def launch(self) -> None:
        """Start the process and return at once. Raises StartFailed."""
        if self._pid is not None and self.running:
            raise StartFailed(f"{self.name} (process {self._pid}) runs already")
        self._pid = self._supervisor.start(self._command())

    def wait_until_ready(self) -> None:
        """Return when the server answers. Raises StartFailed, with the end of its log, if it does not."""
        deadline = time.monotonic() + self.start_seconds
        while not self._answers():
            code = self._supervisor.exit_code()
            if code is not None:
                raise self._start_failed(f"ended with exit code {code} while it started")
            if time.monotonic() > deadline:
                raise self._start_failed(f"did not answer within {self.start_seconds:.0f} s")
            time.sleep(LOOK_SECONDS)

    def start(self) -> None:
        """Start, or start again after `stop` or `kill`: the same port, the same data. Raises StartFailed."""
        self.launch()
        self.wait_until_ready()

    def stop(self) -> None:
        """SIGTERM and wait; SIGKILL after 15 s. The data stays until `close`."""
        self._supervisor.stop(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, and wait until nothing of the server is left. Raises ServerStopped."""
        self._supervisor.send(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered. Raises ServerStopped."""
        self._supervisor.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT. Raises ServerStopped."""
        self._supervisor.send(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start on the same port with the same data. Raises StartFailed."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good and remove temporary files. May be called twice."""
        self._supervisor.close()
        self.instance.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _command(self) -> Command:
        """How the server is run; writes its configuration."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server that was started (not another one on its port) serves requests."""

    def _start_failed(self, what: str) -> StartFailed:
        return StartFailed(f"{self.name} {what}. The end of its log:\n{self.instance.last_lines()}")
