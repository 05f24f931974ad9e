"""Files that appear in the cache whole or not at all: unzip, or copy, beside the target, then rename.

A killed process leaves a `.partial-` directory behind; the next one that holds the lock removes it.
Nothing written here can be written to by other users.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ChecksumMismatch, NotEnoughDisk

PARTIAL = ".partial-"
MEBIBYTE = 1024 * 1024


def check_sha512(path: Path, expected: str) -> None:
    """Raises ChecksumMismatch, and deletes the file, unless its SHA-512 is the expected one (hexadecimal)."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != expected:
        path.unlink()
        raise ChecksumMismatch(
            f"{path.name} is not the pinned file: expected sha512 {expected}, got {found}. It was deleted. "
            "A proxy may have changed it; try again from another network."
        )


def check_free_disk(directory: Path, needed_bytes: int) -> None:
    """Raises NotEnoughDisk when the file system of this directory has less room than that."""
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise NotEnoughDisk(
            f"{directory} has {free // MEBIBYTE} MiB free and {needed_bytes // MEBIBYTE} MiB are needed; "
            "free some, or set XDG_CACHE_HOME to a directory on another disk."
        )


@contextmanager
def partial_directory(parent: Path) -> Iterator[Path]:
    """A new directory beside the target, gone at the end unless it was renamed. Hold the lock of `parent`."""
    for abandoned in parent.glob(f"{PARTIAL}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def unzip(archive: Path, directory: Path) -> None:
    """Unzip with the execute bits that `zipfile` drops; everyone may read, only the owner may write."""
    with zipfile.ZipFile(archive) as content:
        for entry in content.infolist():
            content.extract(entry, directory)
            # The archive's own modes shut others out of config/, so they are not taken over as they are.
            if not entry.is_dir() and (entry.external_attr >> 16) & stat.S_IXUSR:
                (directory / entry.filename).chmod(0o755)
    open_to_readers(directory)


def copy_for_readers(source: Path, target: Path) -> None:
    """Copy a file or a directory so that everyone may read it and only the owner may write it."""
    with partial_directory(target.parent) as partial:
        copy = partial / target.name
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=False)
        else:
            shutil.copy2(source, copy)
        open_to_readers(copy)
        copy.rename(target)


def open_to_readers(path: Path) -> None:
    """Mode 755 for directories and programs, 644 for other files, whatever the umask says."""
    for place in (path, *path.rglob("*")):
        runnable = place.is_dir() or place.stat().st_mode & stat.S_IXUSR
        place.chmod(0o755 if runnable else 0o644)
