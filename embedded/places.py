"""Where embedded servers keep what: the user's cache, files that the servers' user can read, and locks.

* `cache_directory`   $XDG_CACHE_HOME/penstock or ~/.cache/penstock: the state of `services up`.
* `install_directory` the same, except for root when others cannot enter it: then /var/cache/penstock.
* `temporary_parent`  where a server's temporary directory may be made.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .account import Account, others_can_enter
from .errors import CacheUnsafe, InstallFailed

SYSTEM_CACHE = Path("/var/cache/penstock")


def cache_directory(environment: Mapping[str, str]) -> Path:
    """The user's cache directory for Penstock; made when missing. Raises CacheUnsafe, InstallFailed."""
    given = environment.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path is to be ignored.
    base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return make_own(base / "penstock")


def install_directory(environment: Mapping[str, str], account: Account | None) -> Path:
    """Where server files are kept, readable by the user that the servers run as."""
    cache = cache_directory(environment)
    if account is None or others_can_enter(cache):
        return cache
    return make_own(SYSTEM_CACHE)


def temporary_parent(install: Path, account: Account | None) -> Path:
    """A directory that the servers' user can reach: the system's own for temporary files if it is one."""
    usual = Path(tempfile.gettempdir())
    return usual if account is None or others_can_enter(usual) else make_own(install / "running")


def make_own(directory: Path) -> Path:
    """Make a directory that only we can write to, or check that an existing one is such."""
    try:
        if not directory.exists():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)  # whatever the umask says
        facts = directory.stat()
    except OSError as error:
        raise InstallFailed(f"the directory {directory} cannot be made: {error}") from error
    if facts.st_uid != os.geteuid() or facts.st_mode & stat.S_IWOTH:
        raise CacheUnsafe(
            f"the directory {directory} must belong to user {os.geteuid()} and not be writable by everyone, "
            f"for what is kept in it is run; owner {facts.st_uid}, mode {stat.S_IMODE(facts.st_mode):o}. "
            "Remove it, or name another one (XDG_CACHE_HOME for the cache)."
        )
    return directory


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock: two suites that run at once take turns. It ends with the process that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
