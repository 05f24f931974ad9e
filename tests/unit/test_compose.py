"""docker-compose.yml and the Dockerfile, checked by parsers: no Docker engine runs where the tests run."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.distribution import ELASTICSEARCH

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return dict(composed["services"])


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    """The instructions, one a line: continued lines joined, comments left out."""
    joined = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def test_redis_keeps_what_it_acknowledged(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]

    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert services["redis"]["volumes"] == ["redis:/data"]


def test_elasticsearch_is_the_version_that_the_tests_run_on(services: dict[str, Any]) -> None:
    assert services["elasticsearch"]["image"] == f"elasticsearch:{ELASTICSEARCH.version}"
    assert services["elasticsearch"]["environment"]["discovery.type"] == "single-node"


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("server", ["redis", "elasticsearch"])
def test_the_worker_waits_until_the_servers_are_healthy(services: dict[str, Any], server: str) -> None:
    assert services["worker"]["depends_on"][server] == {"condition": "service_healthy"}
    assert services[server]["healthcheck"]["test"]


def test_the_worker_finds_the_servers_by_their_service_names(services: dict[str, Any]) -> None:
    assert services["worker"]["environment"] == {
        "PENSTOCK_REDIS_URL": "redis://redis:6379/0",
        "PENSTOCK_ELASTICSEARCH_URL": "http://elasticsearch:9200",
    }
    assert services["worker"]["build"] == "."


def test_every_named_volume_is_declared() -> None:
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    used = {v.split(":")[0] for service in composed["services"].values() for v in service.get("volumes", [])}

    assert used == set(composed["volumes"])


def test_the_image_is_slim_and_runs_the_worker_as_an_ordinary_user(dockerfile: list[str]) -> None:
    bases = [line for line in dockerfile if line.startswith("FROM ")]
    last_user = [line for line in dockerfile if line.startswith("USER ")][-1]

    assert all(re.match(r"FROM python:3\.\d+-slim\b", base) for base in bases)
    assert int(last_user.split()[1]) > 0
    assert dockerfile[-1] == 'CMD ["penstock", "worker"]'
    assert any(line.startswith("HEALTHCHECK") and '"penstock", "info"' in line for line in dockerfile)


def test_the_image_installs_locked_and_checked_packages_before_the_package(dockerfile: list[str]) -> None:
    text = "\n".join(dockerfile)

    assert "--require-hashes" in text
    assert text.index("requirements.lock") < text.index("penstock.py")
    assert "--no-index" in dockerfile[text[: text.index("USER")].count("\n") - 2]


def test_everything_that_the_image_copies_exists_and_is_not_ignored(dockerfile: list[str]) -> None:
    copied = {name for line in dockerfile if line.startswith("COPY ") for name in line.split()[1:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
