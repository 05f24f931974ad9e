"""Servers of this room's own tests: embedded ones always, also when the environment names others."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from embedded import RedisServer, start_redis
from embedded.servers import ELASTICSEARCH_URL, REDIS_URL


@pytest.fixture(scope="session")
def plain_environment() -> dict[str, str]:
    """This process's environment without the addresses of servers to use in place of embedded ones."""
    return {name: value for name, value in os.environ.items() if name not in (REDIS_URL, ELASTICSEARCH_URL)}


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


@pytest.fixture
def repository() -> Path:
    """Where `python -m embedded.cli` finds this room."""
    return Path(__file__).parents[3]


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """Unlike tmp_path, one that the servers' user can enter when the tests are run by root."""
    with tempfile.TemporaryDirectory(prefix="penstock-data-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def program(repository: Path, plain_environment: dict[str, str]) -> Callable[[str], Any]:
    """Run a text as a Python process; `with` gives its process id and the JSON object that it printed."""

    @contextmanager
    def run(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
        command = [sys.executable, "-c", text]
        with subprocess.Popen(
            command, cwd=repository, env=plain_environment, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                yield process.pid, json.loads(process.stdout.readline())
            finally:
                process.kill()

    return run


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    """Whether a condition comes true within 20 s."""

    def wait(condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 20.0
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    return wait
