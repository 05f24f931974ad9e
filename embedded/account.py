"""As whom the servers run, and what that user can read.

Elasticsearch refuses to run as root, and Redis should not. Started by root, both run as `nobody`; what they
must read (server files, the Java runtime) may lie where `nobody` cannot enter: in the home of root, say.

Files are judged by what "others" may do: they are root's, never nobody's.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534


@dataclass(frozen=True)
class Account:
    """A user and group by number."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """`nobody` when this program is root; None (stay who we are) otherwise."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(entry.pw_uid, entry.pw_gid)


def others_can_enter(directory: Path) -> bool:
    """Whether any user can reach what lies in this directory."""
    resolved = directory.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (resolved, *resolved.parents))


def others_can_read(path: Path) -> bool:
    """Whether any user can read this file, or everything below this directory."""
    return others_can_enter(path.resolve().parent) and all(map(_is_readable, _tree(path)))


def give_to(account: Account | None, path: Path) -> None:
    """Make the account owner of a directory and of everything in it. Links are not followed."""
    if account is None:
        return
    for place in _tree(path):
        os.chown(place, account.uid, account.gid, follow_symlinks=False)


def _tree(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        yield from path.rglob("*")


def _is_readable(path: Path) -> bool:
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0)
    return mode & wanted == wanted
