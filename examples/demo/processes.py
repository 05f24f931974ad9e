"""The processes that the demo starts: the harvest, two workers, the producers. Whatever it starts, it ends.

1. The harvest runs in a process of its own, since it imports every module of the standard library.
2. A worker is `python -m penstock worker`. SIGTERM ends it in good order, and anything but exit code 0 is an
   error. On the way out of a demo that failed it gets five seconds.
3. A producer is `python -m examples.producer`, read line by line for its progress.

Each is a session of its own: a Ctrl-C in the terminal is for the demo, which then ends them in good order.
It knows the command lines and nothing of what the processes do.
"""

import asyncio
import ctypes
import json
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Callable
from pathlib import Path
from subprocess import STDOUT, Popen, TimeoutExpired
from types import TracebackType
from typing import Any, Self

from examples.demo.errors import DoesNotAddUp

# Longer than a worker's own grace period.
STOP_SECONDS = 40.0
# On the way out of a demo that failed nobody waits for unfinished jobs.
END_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
SHOWN_LOG_LINES = 30


class Harvest:
    """A process that writes the harvest to a file, one JSON object a line, while other things go on."""

    def __init__(self, documents: Path) -> None:
        with documents.open("wb") as file:
            command = [sys.executable, "-m", "examples.stdlib_docs"]
            self._process = Popen(command, stdout=file, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def wait(self) -> None:
        """Return when the file is complete. Raises DoesNotAddUp for any exit code but 0."""
        if code := self._process.wait():
            raise DoesNotAddUp(f"the harvest ended with exit code {code}")


class Worker:
    """One worker process on the queue; its output goes to the file `log`, of which an error shows the end."""

    def __init__(self, queue: str, log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", "penstock", "worker", "--queue", queue]
        with log.open("wb") as file:
            self._process = Popen(
                command,
                stdout=file,
                stderr=STDOUT,
                start_new_session=True,
                # The demo has one thread when it starts its workers: Python between fork and exec is safe.
                preexec_fn=_end_with_parent,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def check_alive(self) -> None:
        """Raises DoesNotAddUp if the worker has ended by itself."""
        if (code := self._process.poll()) is not None:
            raise DoesNotAddUp(
                f"worker {self.pid} ended by itself with exit code {code}:\n{self._last_lines()}"
            )

    def stop(self) -> None:
        """SIGTERM, wait. Raises DoesNotAddUp for any exit code but 0, and if it takes longer than 40 s."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except TimeoutExpired:
            raise DoesNotAddUp(
                f"worker {self.pid} did not end within {STOP_SECONDS:.0f} s of SIGTERM"
            ) from None
        if code != 0:
            raise DoesNotAddUp(
                f"worker {self.pid} answered SIGTERM with exit code {code}:\n{self._last_lines()}"
            )

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:])


def _end_with_parent() -> None:
    """Linux: the kernel ends the worker if the demo is killed; any other end is `Worker.__exit__`'s."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def run_producer(
    arguments: list[str], on_acknowledged: Callable[[int], None], stop: asyncio.Event | None = None
) -> dict[str, Any]:
    """Run a producer to its end, or until `stop`; `on_acknowledged` gets its progress. Its final figures.

    Raises DoesNotAddUp for any exit code but 0.
    """
    command = [sys.executable, "-m", "examples.producer", *arguments]
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    telling = asyncio.create_task(_close_when(stop or asyncio.Event(), process.stdin))
    figures: dict[str, Any] = {}
    try:
        async for line in process.stdout:
            figures = json.loads(line)
            on_acknowledged(figures["acknowledged"])
        code = await process.wait()
    finally:
        telling.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise DoesNotAddUp(f"the producer ended with exit code {code}")
    return figures


async def _close_when(stop: asyncio.Event, stream: asyncio.StreamWriter) -> None:
    await stop.wait()
    stream.close()
