"""This program's side of `watch.py`: start one server under a watching process, signal it, end it.

It knows processes, not what runs in them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .account import Account
from .errors import ServerStopped, StartFailed

WATCH = Path(__file__).with_name("watch.py")
END_SECONDS = 30.0


@dataclass(frozen=True)
class Command:
    """What to run: arguments, the whole environment, where, as whom, and where its output goes."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    directory: Path
    log: Path
    account: Account | None

    def as_message(self) -> dict[str, Any]:
        fields = asdict(self) | {"directory": str(self.directory), "log": str(self.log)}
        del fields["account"]
        user, group = (self.account.uid, self.account.gid) if self.account else (None, None)
        return {"do": "start", "user": user, "group": group, **fields}


class Supervisor:
    """One watching process, which may run its server several times in a row.

    `temporary` is removed when this object is closed or this program ends, however it ends. `lock` is an open
    file whose lock the watching process shares: it is let go of only when the server has ended as well.
    """

    def __init__(self, temporary: Path | None, lock: int) -> None:
        self._temporary = temporary
        directories = [] if temporary is None else [str(temporary)]
        # Its own session: a Ctrl-C in the terminal is for this program, which then closes the server.
        self._watch = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WATCH), str(os.getpid()), *directories],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=[lock],
            cwd="/",
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def start(self, command: Command) -> int:
        """Run the command and return its process id, which is also that of its group. Raises StartFailed."""
        reply = self._ask(command.as_message())
        if "error" in reply:
            raise StartFailed(f"{command.arguments[0]} could not be started: {reply['error']}")
        return int(reply["pid"])

    def send(self, number: int) -> None:
        """Signal the server's whole process group. Raises ServerStopped."""
        if not self._ask({"do": "signal", "number": int(number)})["sent"]:
            raise ServerStopped(f"the server does not run, so it cannot be sent signal {int(number)}")

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM, and SIGKILL after the grace period; returns when every process of the group has ended."""
        self._ask({"do": "stop", "grace_seconds": grace_seconds})

    def exit_code(self) -> int | None:
        """None while the server runs."""
        reply = self._ask({"do": "status"})
        return None if reply["running"] else int(reply["code"] or 0)

    def close(self) -> None:
        """End the server, remove the temporary directory, end the watching process. May be called twice."""
        with self._lock:
            if self._watch.stdin is not None and not self._watch.stdin.closed:
                self._watch.stdin.close()
            self._watch.wait(END_SECONDS)
            if self._watch.stdout is not None:
                self._watch.stdout.close()
        if self._temporary is not None:  # still there if the watching process was killed
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            stdin, stdout = self._watch.stdin, self._watch.stdout
            if stdin is None or stdout is None or stdin.closed:
                raise ServerStopped("this server was closed; start a new one")
            try:
                stdin.write(json.dumps(message).encode() + b"\n")
                line = stdout.readline()
            except BrokenPipeError:
                line = b""
        if not line:
            raise ServerStopped("the process that watches this server was killed, and the server with it")
        reply: dict[str, Any] = json.loads(line)
        return reply
