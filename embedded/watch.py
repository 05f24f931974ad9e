"""The process between this program and one server, so that the server never outlives the program.

It runs as a file (`python -I -S watch.py PARENT_PID [DIRECTORY]`), knows the standard library only and
imports nothing of this package.

1. Its standard input is a pipe that the parent holds open: one JSON command a line, one JSON answer a line.
2. `start` runs the server in a process group of its own, as another user if told so.
3. `signal` and `stop` act on the whole group; `status` says whether it runs.
4. End of file, or another parent process, means that the parent is gone, however it ended: the group is ended
   and DIRECTORY (the server's temporary files), if one was given, is removed.

Why not PR_SET_PDEATHSIG alone: the kernel drops it when a process changes its user, Elasticsearch's launcher
starts a second process that would not have it, it follows a thread rather than a process, and only Linux has
it. It is set here as the second line, for the case that this process itself is killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

PARENT_CHECK_SECONDS = 0.5
GRACE_SECONDS = 10.0
GROUP_END_SECONDS = 5.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def set_process_control(option: int, value: int) -> None:
    """Set a Linux process attribute; other systems have none of the two, and do without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


class Watch:
    """One server's process group and what the parent may ask of it."""

    def __init__(self) -> None:
        self.server: subprocess.Popen[bytes] | None = None

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "start":
                return self.start(command)
            case "signal":
                return {"sent": self.send(command["number"])}
            case "stop":
                self.stop(command["grace_seconds"])
                return self.status()
            case "status":
                return self.status()
            case unknown:
                return {"error": f"unknown command {unknown!r}"}

    def start(self, command: dict[str, Any]) -> dict[str, Any]:
        identity: dict[str, Any] = {}
        if command["user"] is not None:
            identity = {"user": command["user"], "group": command["group"], "extra_groups": []}
        try:
            with open(command["log"], "ab") as log:
                self.server = subprocess.Popen(
                    command["arguments"],
                    env=command["environment"],
                    cwd=command["directory"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # This process has one thread, so running Python between fork and exec is safe here.
                    preexec_fn=lambda: set_process_control(PR_SET_PDEATHSIG, signal.SIGTERM),
                    **identity,
                )
        except OSError as error:
            return {"error": str(error)}
        return {"pid": self.server.pid}

    def status(self) -> dict[str, Any]:
        code = self.server.poll() if self.server else None
        return {"running": self.server is not None and code is None, "code": code}

    def send(self, number: int) -> bool:
        """Signal the whole group. SIGKILL returns when nothing of it is left."""
        if self.server is None or self.server.poll() is not None:
            return False
        os.killpg(self.server.pid, number)
        if number == signal.SIGKILL:
            self.server.wait()
            self.wait_for_group(GROUP_END_SECONDS)
        return True

    def stop(self, grace_seconds: float) -> None:
        if self.server is None:
            return
        self.signal_group(signal.SIGTERM)
        self.signal_group(signal.SIGCONT)  # a paused process sees SIGTERM only once it goes on
        if not self.wait_for_group(grace_seconds):
            self.signal_group(signal.SIGKILL)
            self.wait_for_group(GROUP_END_SECONDS)
        self.server.poll()

    def signal_group(self, number: int) -> None:
        if self.server is not None:
            try:
                os.killpg(self.server.pid, number)
            except (ProcessLookupError, PermissionError):
                return  # macOS answers "not permitted" for a group of zombies

    def wait_for_group(self, seconds: float) -> bool:
        """Whether every process of the group ended in time: while one lives, its data may be locked."""
        deadline = time.monotonic() + seconds
        while self.group_lives():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def group_lives(self) -> bool:
        assert self.server is not None
        if self.server.poll() is None:
            return True
        try:
            # As their subreaper this process inherits what the leader leaves behind; zombies are reaped here.
            while os.waitpid(-self.server.pid, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        try:
            os.killpg(self.server.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def serve(watch: Watch, parent: int) -> None:
    """Answer commands until the parent is gone."""
    pending = b""
    while os.getppid() == parent:
        # A child that the parent forked may hold the pipe open after its death: hence the second look.
        if not select.select([0], [], [], PARENT_CHECK_SECONDS)[0]:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            reply = json.dumps(watch.answer(json.loads(line))) + "\n"
            os.write(1, reply.encode())


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Only the parent's end ends this process. Not SIG_IGN: the server would inherit that.
        signal.signal(number, lambda *_: None)
    set_process_control(PR_SET_CHILD_SUBREAPER, 1)
    watch = Watch()
    try:
        serve(watch, parent=int(sys.argv[1]))
    except BrokenPipeError:
        pass  # the parent ended between a command and its answer
    finally:
        watch.stop(GRACE_SECONDS)
        for directory in sys.argv[2:]:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
