"""`python -m examples.demo` as a reader runs it, but in no terminal: it adds up and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from elasticsearch import AsyncElasticsearch

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 180


@pytest.fixture
def demo(servers: Any) -> Iterator["subprocess.Popen[str]"]:
    names = {
        "PENSTOCK_REDIS_URL": servers.redis_url,
        "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env=os.environ | names,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.terminate()


def lines_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What the process prints, up to the first line with this text."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"the demo ended before it printed {text!r}:\n{read}")


def worker_pids(output: str) -> list[int]:
    found = re.search(r"process ids (\d+), (\d+)", output)
    assert found, output
    return [int(pid) for pid in found.groups()]


async def test_the_demo_adds_up_and_leaves_nothing_behind(
    demo: "subprocess.Popen[str]", servers: Any
) -> None:
    output, _ = demo.communicate(timeout=TIMEOUT_SECONDS)

    assert demo.returncode == 0, output
    assert [f"{n}/9" in output for n in range(1, 10)] == [True] * 9
    assert "tempfile.NamedTemporaryFile" in output
    assert "document_parsing_exception" in output
    assert "meanwhile" in output
    assert "jobs held for" in output
    assert "everything adds up" in output
    assert not [pid for pid in worker_pids(output) if psutil.pid_exists(pid)]
    async with AsyncElasticsearch(servers.elasticsearch_url) as client:
        left = await client.indices.get(index="stdlib-demo-*", expand_wildcards="all")
    assert left.body == {}


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_it_ends_what_it_started(
    demo: "subprocess.Popen[str]", signal_number: signal.Signals
) -> None:
    output = lines_until(demo, "index the standard library")
    children = psutil.Process(demo.pid).children(recursive=True)

    demo.send_signal(signal_number)
    rest, _ = demo.communicate(timeout=60)

    assert demo.returncode == 130, output + rest
    assert "Traceback" not in rest
    assert not [child for child in children if child.is_running()]
    assert not [pid for pid in worker_pids(output) if psutil.pid_exists(pid)]
