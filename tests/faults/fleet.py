"""Real `penstock worker` processes: started, killed, paused, continued, stopped. All end with the test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.processes import WorkerProcess, until

AT_WORK = "works on arq:queue"
# What no fault may make a worker write: these are its own defects.
_DEFECTS = ("Traceback", "CRITICAL", "a defect of Penstock", "was never retrieved", "nclosed ")


class Fleet:
    """The workers of one scenario. `environment` is what all of them have in common."""

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        self._environment = plain | environment | {"PYTHONUNBUFFERED": "1"}
        self._directory = directory
        self.command: tuple[str, ...] = ("-m", "penstock", "worker")
        """What is started from now on."""
        self.started: list[WorkerProcess] = []
        self.stopped: list[int] = []
        """Exit codes of workers that were told to stop."""

    @property
    def alive(self) -> list[WorkerProcess]:
        """Those that have not ended, in the order of their start."""
        return [worker for worker in self.started if not worker.ended]

    def launch(self, **settings: str) -> WorkerProcess:
        """Start one worker; `settings` are added to its environment. It is not waited for."""
        log = self._directory / f"worker-{len(self.started)}.log"
        worker = WorkerProcess(self._environment | settings, self.command, log)
        self.started.append(worker)
        return worker

    async def start(self, number: int = 1, /, **settings: str) -> list[WorkerProcess]:
        """Start workers and wait until they work."""
        workers = [self.launch(**settings) for _ in range(number)]
        await self.at_work()
        return workers

    async def at_work(self) -> None:
        """Wait until all that are alive have begun."""
        for worker in self.alive:
            await worker.says(AT_WORK)

    def kill(self, worker: WorkerProcess) -> None:
        """SIGKILL, and wait until it is gone."""
        worker.kill()

    async def pause(self, worker: WorkerProcess) -> None:
        """SIGSTOP, and wait until it stands still."""
        worker.send(signal.SIGSTOP)
        await until(lambda: _state(worker.pid) in "TtZX", 5, lambda: f"{worker.pid} does not stand still")

    def resume(self, worker: WorkerProcess) -> None:
        """SIGCONT."""
        worker.send(signal.SIGCONT)

    async def stop(self) -> None:
        """SIGTERM to all that are alive, paused ones as well; their exit codes are added to `stopped`."""
        workers = self.alive
        for worker in workers:
            worker.send(signal.SIGCONT)
            await worker.says(AT_WORK)  # before that it is a Python that knows of no signals yet
            worker.send(signal.SIGTERM)
        self.stopped += [await worker.exit_code() for worker in workers]

    def defects(self) -> list[str]:
        """The lines in which workers complain of themselves."""
        lines = [line for worker in self.started for line in worker.output.splitlines()]
        return [line for line in lines if any(mark in line for mark in _DEFECTS)]

    def logs(self, lines: int = 15) -> str:
        """The end of every log, for a failed test; jobs that fail are in the ledger."""
        said = [worker.output.splitlines() for worker in self.started]
        ends = [[line for line in log if " failed: " not in line][-lines:] for log in said]
        pairs = zip(self.started, ends, strict=True)
        return "\n".join("\n".join([f"--- {worker.log.name}", *end]) for worker, end in pairs)

    def close(self) -> None:
        """End everything."""
        for worker in self.started:
            worker.kill()


def _state(pid: int) -> str:
    """The letter of the process's state (proc(5)); X where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"
