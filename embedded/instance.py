"""The directory of one running server: temporary, or below a data directory that the caller keeps.

The directory itself stays ours; only what the server must write is given to the servers' user. So a program
of that user cannot put a link where we, perhaps as root, write next.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from pathlib import Path

from .account import Account, give_to, others_can_enter
from .errors import StartFailed
from .places import make_own, temporary_parent

CLAIM_SECONDS = 2.0


class Instance:
    """Where one server keeps configuration, data, logs and temporary files."""

    def __init__(self, directory: Path, account: Account | None, *, temporary: bool) -> None:
        self.directory = directory
        self.account = account
        self.temporary = temporary
        self.lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def log(self) -> Path:
        """The server's standard output and error."""
        return self.directory / "server.log"

    def subdirectory(self, name: str) -> Path:
        """A directory that only the server's user can read and write."""
        path = self.directory / name
        if not path.exists():
            path.mkdir(mode=0o700)
            give_to(self.account, path)
        return path

    def write(self, path: Path, content: str | bytes) -> None:
        """Replace a file in one of the server's directories, whatever lies there now."""
        new = self.directory / ".new"
        new.write_bytes(content.encode() if isinstance(content, str) else content)
        new.chmod(0o600)
        give_to(self.account, new)
        new.replace(path)

    def claim(self) -> None:
        """Hold the directory for one server: two on the same data would destroy it. Raises StartFailed.

        The server of a program that was killed a moment ago is given the time to end.
        """
        deadline = time.monotonic() + CLAIM_SECONDS
        while True:
            try:
                return fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    message = f"another server uses {self.directory}; choose another data directory"
                    raise StartFailed(message) from error
            time.sleep(0.05)

    def release(self) -> None:
        """Let another program use the directory. May be called twice."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    def last_lines(self, count: int = 15) -> str:
        """The end of the server's log without Java's stack frames, for an error message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "(no log was written)"
        return "\n".join([line for line in lines if line.strip() and not line.startswith("\tat ")][-count:])


def make_instance(name: str, data_directory: Path | None, install: Path, account: Account | None) -> Instance:
    """A temporary directory, or `<data_directory>/<name>`. Raises StartFailed, InstallFailed, CacheUnsafe."""
    temporary = data_directory is None
    if data_directory is None:
        parent = temporary_parent(install, account)
        directory = Path(tempfile.mkdtemp(prefix=f"penstock-{name}-", dir=parent))
    else:
        parent = make_own(data_directory.resolve())
        directory = make_own(parent / name)
    if account is not None:
        directory.chmod(0o711)
        _require_reachable(parent)
    instance = Instance(directory, account, temporary=temporary)
    try:
        instance.claim()
    except StartFailed:
        instance.release()
        raise
    return instance


def _require_reachable(directory: Path) -> None:
    if not others_can_enter(directory):
        raise StartFailed(
            f"run by root, the servers run as the user `nobody`, who cannot enter {directory}. Choose a data "
            "directory of which every part is open to others (chmod o+x), such as one below /var/lib or /srv."
        )
