"""A real embedded Elasticsearch: it answers, keeps what it acknowledged, and ends with its parent.

The node of these tests has security on, which shows that settings and configuration files reach it.
"""

import base64
import hashlib
import json
import os
import signal
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import psutil
import pytest

from embedded import ElasticsearchServer, start_elasticsearch
from embedded.errors import StartFailed

PASSWORD = "pass:word/%41"
ROUNDS = 10_000

BOTH = """
import json, signal
from embedded import EmbeddedServers
with EmbeddedServers(show_progress=False, heap_mb=512) as servers:
    started = {"pids": [], "directories": [], "urls": [servers.redis_url, servers.elasticsearch_url]}
    for server in (servers.redis, servers.elasticsearch):
        started["pids"].append(server.pid)
        started["directories"].append(str(server.instance.directory))
    print(json.dumps(started), flush=True)
    signal.pause()
"""


def file_realm_hash(password: str) -> str:
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, 32)
    parts = (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return f"{{PBKDF2}}{ROUNDS}${'$'.join(parts)}"


@pytest.fixture(scope="module")
def node() -> Iterator[ElasticsearchServer]:
    with start_elasticsearch(
        heap_mb=512,
        settings={"xpack.security.enabled": "true"},
        credentials=("penstock", PASSWORD),
        config_files={
            "users": f"penstock:{file_realm_hash(PASSWORD)}\n".encode(),
            "users_roles": b"superuser:penstock\n",
        },
    ) as server:
        yield server


def ask(server: ElasticsearchServer, method: str, path: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    credentials = base64.b64encode(f"penstock:{PASSWORD}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"}
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def test_it_is_one_node_of_the_pinned_version_on_loopback(node: ElasticsearchServer) -> None:
    (facts,) = ask(node, "GET", "/_nodes/http,jvm")["nodes"].values()

    assert facts["version"] == "9.2.4"
    assert facts["http"]["bound_address"] == [f"127.0.0.1:{node.port}"]
    assert facts["jvm"]["mem"]["heap_max_in_bytes"] == 512 * 1024 * 1024


def test_settings_and_configuration_files_reach_it(node: ElasticsearchServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(node.url + "/_cluster/health", timeout=30)
    refused.value.close()

    assert refused.value.code == 401
    assert ask(node, "GET", "/_security/_authenticate")["username"] == "penstock"


def test_no_process_of_it_runs_as_root(node: ElasticsearchServer) -> None:
    launcher = psutil.Process(node.pid)
    processes = [launcher, *launcher.children(recursive=True)]

    assert len(processes) == 2
    assert all(process.uids().effective != 0 for process in processes)


def test_nothing_that_it_runs_from_is_writable_by_everyone(node: ElasticsearchServer) -> None:
    for top in (node.home, node.instance.directory):
        writable = [path for path in (top, *top.rglob("*")) if path.lstat().st_mode & stat.S_IWOTH]
        assert [path for path in writable if not path.is_symlink()] == []


def test_what_was_acknowledged_before_sigkill_is_there_afterwards(node: ElasticsearchServer) -> None:
    url = node.url
    ask(node, "PUT", "/kept/_doc/1", {"title": "acknowledged"})

    node.kill()
    assert not node.running
    node.start()

    assert node.url == url
    assert ask(node, "GET", "/kept/_doc/1")["_source"] == {"title": "acknowledged"}


def test_a_paused_node_is_silent_until_it_goes_on(node: ElasticsearchServer) -> None:
    node.pause()
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(node.url + "/_cluster/health", timeout=0.3)

    node.resume()

    assert ask(node, "GET", "/_cluster/health")["number_of_nodes"] == 1


def test_sigkill_of_a_parent_ends_its_servers_and_no_others(
    node: ElasticsearchServer,
    program: Callable[[str], AbstractContextManager[tuple[int, dict[str, Any]]]],
    eventually: Callable[[Callable[[], bool]], bool],
) -> None:
    with program(BOTH) as (parent, started):
        assert node.url not in started["urls"]
        processes = [process for pid in started["pids"] for process in family(pid)]
        assert len(processes) == 3  # Redis, Elasticsearch's launcher, Elasticsearch

        os.kill(parent, signal.SIGKILL)

        assert eventually(lambda: not any(process.is_running() for process in processes))
        assert eventually(lambda: not any(map(os.path.exists, started["directories"])))
    assert node.running


def test_a_start_that_fails_shows_the_end_of_the_log() -> None:
    with pytest.raises(StartFailed, match=r"exit code \d+ while it started(.|\n)*Too small maximum heap"):
        start_elasticsearch(heap_mb=1)


def family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
