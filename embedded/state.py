"""What `services up` leaves for `status` and `down`: a state file, and a lock that proves it true.

The process that holds the servers holds the lock. The kernel lets go of it when that process ends, however it
ends, so a state file without a held lock is stale. A process id alone would prove nothing: it may be dead, or
belong to another program by now.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import ServicesError

LOOK_SECONDS = 0.1
LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Services:
    """Running services: who holds them, and where they answer."""

    pid: int
    redis_url: str
    elasticsearch_url: str
    data_directory: str | None


class State:
    """The state file and its lock, both in the user's cache directory."""

    def __init__(self, cache: Path) -> None:
        self.file = cache / "services.json"
        self.log = cache / "services.log"
        self._lock = cache / "services.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the process that holds the services. Raises ServicesError while another one does."""
        descriptor = self._open_lock()
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            # A reader takes the lock for an instant, so one refusal is not an answer yet.
            while not _take(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise ServicesError("the services run already; see `penstock services status`")
                time.sleep(LOOK_SECONDS)
            self.file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self.file.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def write(self, services: Services) -> None:
        """Say where the services answer. Call it while holding them."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(asdict(services)) + "\n")
        new.replace(self.file)

    def is_held(self) -> bool:
        """Whether a living process holds the services, ready or not."""
        descriptor = self._open_lock()
        try:
            return not _take(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def read(self) -> Services | None:
        """The running services; None when there are none, or none that are ready."""
        if not self.is_held():
            return None
        try:
            return Services(**json.loads(self.file.read_text()))
        except FileNotFoundError:
            return None

    def wait_until_free(self, seconds: float) -> None:
        """Return when nobody holds the services. Raises ServicesError after that time."""
        deadline = time.monotonic() + seconds
        while self.is_held():
            if time.monotonic() > deadline:
                raise ServicesError(f"the services did not end within {seconds:.0f} s; see {self.log}")
            time.sleep(LOOK_SECONDS)

    def _open_lock(self) -> int:
        return os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
