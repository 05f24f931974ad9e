"""The arguments of the client, one for each setting, and a client that is refused after a fork."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, OrjsonSerializer

from settings import load
from worker.elastic import client_arguments

ROOT = Path(__file__).parents[3]
CLOUD_ID = "name:" + b64encode(b"cloud.example$abc$def").decode()


def arguments(**values: str) -> dict[str, Any]:
    return client_arguments(load({f"PENSTOCK_{name.upper()}": value for name, value in values.items()}))


def without_constants(found: dict[str, Any]) -> dict[str, Any]:
    constants = ("max_retries", "retry_on_timeout", "retry_on_status", "serializers")
    return {name: value for name, value in found.items() if name not in constants}


def test_given_defaults_then_only_what_is_set_is_handed_on() -> None:
    assert without_constants(arguments()) == {
        "hosts": ["http://127.0.0.1:9200"],
        "request_timeout": 20.0,
        "connections_per_node": 8,
        "http_compress": False,
        "sniff_on_start": False,
        "sniff_on_node_failure": False,
    }


def test_given_anything_then_the_transport_never_retries_by_itself() -> None:
    found = arguments()

    assert (found["max_retries"], found["retry_on_timeout"], found["retry_on_status"]) == (0, False, ())
    assert isinstance(found["serializers"]["application/json"], OrjsonSerializer)


@pytest.mark.parametrize(
    ("setting", "value", "argument", "expected"),
    [
        ("request_timeout_seconds", "7.5", "request_timeout", 7.5),
        ("connections_per_node", "31", "connections_per_node", 31),
        ("elasticsearch_compress", "true", "http_compress", True),
        ("elasticsearch_sniff_on_start", "true", "sniff_on_start", True),
        ("elasticsearch_sniff_on_failure", "true", "sniff_on_node_failure", True),
        ("elasticsearch_sniff_interval_seconds", "60", "min_delay_between_sniffing", 60.0),
        ("elasticsearch_api_key", "a2V5", "api_key", "a2V5"),
        ("elasticsearch_bearer_token", "token", "bearer_auth", "token"),
    ],
)
def test_given_a_setting_then_it_is_handed_on(setting: str, value: str, argument: str, expected: Any) -> None:
    assert arguments(**{setting: value})[argument] == expected


def test_given_several_urls_then_all_are_handed_on_without_user_and_password() -> None:
    found = arguments(elasticsearch_url="http://u:p%40ss@a:9200,http://u:p%40ss@b:9201/path")

    assert found["hosts"] == ["http://a:9200", "http://b:9201/path"]
    assert found["basic_auth"] == ("u", "p@ss")


def test_given_user_and_password_then_they_are_handed_on_as_they_are() -> None:
    found = arguments(elasticsearch_username="u:ser", elasticsearch_password="p%40ss")

    assert found["basic_auth"] == ("u:ser", "p%40ss")


def test_given_a_cloud_id_then_it_stands_alone_without_hosts_and_sniffing() -> None:
    found = without_constants(arguments(elasticsearch_cloud_id=CLOUD_ID))

    assert found == {
        "cloud_id": CLOUD_ID,
        "request_timeout": 20.0,
        "connections_per_node": 8,
        "http_compress": False,
    }


def test_given_tls_files_then_their_paths_are_handed_on(tmp_path: Path) -> None:
    names = ("ca_certs", "client_cert", "client_key")
    for name in names:
        (tmp_path / name).write_text("")
    files = {f"elasticsearch_{name}": str(tmp_path / name) for name in names}

    found = arguments(elasticsearch_url="https://a:9200", **files)

    assert {name: found[name] for name in names} == {name: str(tmp_path / name) for name in names}
    assert "verify_certs" not in found


@pytest.mark.parametrize("place", [{"elasticsearch_url": "https://a"}, {"elasticsearch_cloud_id": CLOUD_ID}])
def test_given_no_verification_then_it_is_off_without_a_warning_at_every_start(place: dict[str, str]) -> None:
    found = arguments(**place, elasticsearch_verify_certs="false")

    assert (found["verify_certs"], found["ssl_show_warn"]) == (False, False)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"elasticsearch_cloud_id": CLOUD_ID, "elasticsearch_api_key": "a2V5"},
        {"elasticsearch_url": "https://u:p@a,https://u:p@b", "elasticsearch_verify_certs": "false"},
        {"elasticsearch_sniff_interval_seconds": "60", "elasticsearch_sniff_on_failure": "true"},
        {"elasticsearch_bearer_token": "token", "elasticsearch_compress": "true"},
    ],
)
async def test_given_settings_of_each_kind_then_the_client_takes_them(values: dict[str, str]) -> None:
    await AsyncElasticsearch(**arguments(**values)).close()


FORKED = """
import asyncio, os
from settings import load
from worker.elastic import ProcessClient, UsedAfterFork

async def main():
    made = ProcessClient.of(load({}))
    assert made.client is made.client
    parent, (reading, writing) = os.getpid(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            made.client
        except UsedAfterFork as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, 10_000).decode()
    assert f"made in process {parent} and is used in process {child}" in said, said
    assert "after fork" in said, said
    made.client
    await made.close()
    await made.close()

asyncio.run(main())
print("well")
"""


def test_given_a_client_when_used_in_a_forked_child_then_the_error_names_both_processes() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert (run.stdout, run.stderr) == ("well\n", "")


WRITTEN_IN_A_CHILD = """
import asyncio, os
from settings import load
from worker.actions import Action, ActionKind
from worker.elastic import ProcessClient, UsedAfterFork
from worker.writer import BulkWriter

async def main():
    elastic = ProcessClient.of(load({}))
    writer = BulkWriter(elastic)
    looks = [Action(kind=kind, index="i", id="1", key="k", number=1, body=b"{}") for kind in ActionKind]
    reading, writing = os.pipe()
    if os.fork() == 0:
        for action in looks:
            try:
                await writer.write([action])
            except UsedAfterFork:
                os.write(writing, b"x")
        os._exit(0)
    os.close(writing)
    os.wait()
    assert len(os.read(reading, 100)) == len(looks)
    await elastic.close()

asyncio.run(main())
print("well")
"""


def test_given_a_writer_when_used_in_a_forked_child_then_every_kind_of_request_is_the_clear_error() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WRITTEN_IN_A_CHILD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (run.stdout, run.stderr) == ("well\n", "")
