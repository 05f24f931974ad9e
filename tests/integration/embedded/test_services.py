"""`services up|down|status` through real processes. Redis is embedded; a stand-in answers for Elasticsearch.

The commands do with Elasticsearch what they do with Redis, and each start of the real one costs ten seconds;
it is started and ended with both servers in test_elasticsearch_server.py.
"""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

Command = Callable[..., subprocess.CompletedProcess[str]]
CLI = [sys.executable, "-m", "embedded.cli"]
SECONDS = 60


@pytest.fixture
def elasticsearch_url() -> Iterator[str]:
    """Answers every GET with 200, as a healthy cluster does."""

    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(plain_environment: dict[str, str], elasticsearch_url: str, tmp_path: Path) -> dict[str, str]:
    """A cache of its own, so that the services of the person who runs the tests stay as they are."""
    return plain_environment | {
        "XDG_CACHE_HOME": str(tmp_path),
        "PENSTOCK_ELASTICSEARCH_URL": elasticsearch_url,
    }


@pytest.fixture
def services(environment: dict[str, str], repository: Path) -> Iterator[Command]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*CLI, *arguments]
        return subprocess.run(
            command, cwd=repository, env=environment, capture_output=True, text=True, timeout=SECONDS
        )

    yield run
    run("down")


def exported(output: str) -> dict[str, str]:
    pairs = (line.removeprefix("export ").split("=", 1) for line in output.splitlines())
    return {name: value for name, value in pairs}  # noqa: C416  # dict() of lists does not type


def ping(url: str) -> bool:
    client = redis.Redis.from_url(url)
    try:
        return bool(client.ping())
    finally:
        client.close()


def test_detached_services_answer_until_down(services: Command, environment: dict[str, str]) -> None:
    up = services("up", "--detach")
    assert up.returncode == 0, up.stderr
    urls = exported(up.stdout)
    assert urls["PENSTOCK_ELASTICSEARCH_URL"] == environment["PENSTOCK_ELASTICSEARCH_URL"]
    assert ping(urls["PENSTOCK_REDIS_URL"])

    status = services("status")
    assert status.returncode == 0
    assert exported(status.stdout) == urls
    assert "temporary" in status.stderr

    down = services("down")
    assert down.returncode == 0
    with pytest.raises(redis.ConnectionError):
        ping(urls["PENSTOCK_REDIS_URL"])
    assert services("status").returncode == 1


def test_a_second_up_is_refused(services: Command) -> None:
    assert services("up", "--detach").returncode == 0

    second = services("up", "--detach")

    assert second.returncode == 1
    assert "the services run already" in second.stderr
    assert second.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_services_in_the_foreground_end_with_a_signal(
    environment: dict[str, str], repository: Path, services: Command, number: signal.Signals
) -> None:
    with subprocess.Popen([*CLI, "up"], cwd=repository, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        (url,) = exported(line).values()
        assert ping(url)
        assert services("status").returncode == 0

        process.send_signal(number)

        assert process.wait(SECONDS) == 0
    with pytest.raises(redis.ConnectionError):
        ping(url)


def test_a_state_left_by_a_killed_holder_is_seen_through(services: Command, tmp_path: Path) -> None:
    assert services("up", "--detach").returncode == 0
    state = tmp_path / "penstock" / "services.json"
    holder = psutil.Process(json.loads(state.read_text())["pid"])
    holder.kill()
    psutil.wait_procs([holder], timeout=SECONDS)

    assert state.exists()
    assert services("status").returncode == 1
    assert services("up", "--detach").returncode == 0


def test_down_signals_no_process_that_a_stale_state_names(services: Command, tmp_path: Path) -> None:
    (tmp_path / "penstock").mkdir()
    stale = {
        "pid": os.getpid(),
        "redis_url": "redis://127.0.0.1:1/0",
        "elasticsearch_url": "http://127.0.0.1:2",
    }
    (tmp_path / "penstock" / "services.json").write_text(json.dumps(stale | {"data_directory": None}))

    down = services("down")

    assert down.returncode == 0
    assert "no services run" in down.stderr


def test_data_is_kept_where_asked(services: Command, data_directory: Path) -> None:
    for expected in (None, b"queued"):
        up = services("up", "--detach", "--data-dir", str(data_directory))
        assert up.returncode == 0, up.stderr
        client = redis.Redis.from_url(exported(up.stdout)["PENSTOCK_REDIS_URL"])
        assert client.get("job") == expected
        client.set("job", "queued")
        client.close()
        services("down")


def test_a_start_that_fails_says_why_without_a_traceback(services: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        up = services("up", "--detach", "--redis-port", str(listener.getsockname()[1]))

    assert up.returncode == 1
    assert "the port is in use" in up.stderr
    assert "docker compose up" in up.stderr
    assert "Traceback" not in up.stderr


def test_servers_that_are_all_named_are_not_started(environment: dict[str, str], repository: Path) -> None:
    named = environment | {"PENSTOCK_REDIS_URL": "redis://cache.internal:6379/0"}

    up = subprocess.run(
        [*CLI, "up"], cwd=repository, env=named, capture_output=True, text=True, timeout=SECONDS
    )

    assert up.returncode == 0
    assert "none is started" in " ".join(up.stderr.split())
