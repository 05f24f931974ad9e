"""Real processes for the tests that need them: started as a user starts them, ended for good at the latest
with their test, and conditions that are waited for up to a deadline."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[1]
SECONDS = 60.0

PR_SET_PDEATHSIG = 1


class WorkerProcess:
    """One started command; its output goes to a file. Ended for good by `kill`, at the latest."""

    def __init__(self, environment: dict[str, str], arguments: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_the_tests,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def exit_code(self, seconds: float = SECONDS) -> int:
        """Waits for the process to end by itself."""
        return await asyncio.to_thread(self._process.wait, seconds)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.send(number)
        return await self.exit_code()

    async def says(self, text: str, seconds: float = SECONDS) -> Self:
        """Waits until the output holds `text`."""
        await until(lambda: self._has_said(text), seconds, lambda: f"no {text!r} in:\n{self.output}")
        return self

    def _has_said(self, text: str) -> bool:
        if text in self.output:
            return True
        assert not self.ended, f"ended with {self._process.returncode} before {text!r}:\n{self.output}"
        return False

    def kill(self) -> None:
        """End the process and all that it started: they are one session, whatever their groups."""
        for pid in psutil.pids():
            with suppress(ProcessLookupError):
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _end_with_the_tests() -> None:
    """Linux: the kernel ends the worker if the tests are killed; any other end is the fixture's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def until(
    condition: Callable[[], Awaitable[Any] | Any], seconds: float, problem: Callable[[], str]
) -> None:
    """Waits until a condition (an awaitable one as well) comes true; fails with `problem()`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if await answer if asyncio.iscoroutine(answer) else answer:
            return
        assert time.monotonic() < deadline, problem()
        await asyncio.sleep(0.02)
