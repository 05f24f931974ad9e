"""Fetch one pinned Maven artifact with `jgo`, showing a progress bar on standard error.

It knows neither what is in the artifact nor where it will be kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from .errors import DependencyMissing, DownloadFailed

READ_TIMEOUT_SECONDS = 60
ATTEMPTS = 3
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Artifact:
    """A Maven artifact and the SHA-512 (hexadecimal) that it must have."""

    group: str
    name: str
    version: str
    packaging: str
    sha512: str

    def __str__(self) -> str:
        return f"{self.group}:{self.name}:{self.version}:{self.packaging}"


def fetch(artifact: Artifact, directory: Path, *, show_progress: bool) -> Path:
    """Download into the directory and return the file's path; its checksum is the caller's to check.

    Raises DependencyMissing without `jgo`, DownloadFailed after three attempts.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # A folder for each attempt: jgo does not accept the half-written file of a broken one.
            return _fetch_once(artifact, directory / f"attempt-{attempt}", show_progress)
        except (OSError, RuntimeError) as error:  # jgo raises requests' errors (OSError) and RuntimeError
            if attempt == ATTEMPTS:
                raise DownloadFailed(f"{artifact} could not be downloaded: {error}") from error
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("the loop either returns or raises")


def _fetch_once(artifact: Artifact, repository: Path, show_progress: bool) -> Path:
    try:
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise DependencyMissing("jgo", "downloading Elasticsearch") from error
    resolver = PythonResolver(progress_callback=_progress_bar if show_progress else None)
    context = MavenContext(resolver=resolver, repo_cache=repository, timeout=READ_TIMEOUT_SECONDS)
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(packaging=artifact.packaging).resolve())


@contextmanager
def _progress_bar(name: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    columns = (BarColumn(20), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total_bytes)
        yield lambda count: bar.advance(task, count)
