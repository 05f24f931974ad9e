"""What `penstock export` and `penstock import` refuse before they reach for a server, and what they say of
themselves."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Without colours: their signs would stand in what is looked for."""
    monkeypatch.setenv("NO_COLOR", "1")
    return CliRunner()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (
            "export",
            ["[FILE]", "--gzip", "--overwrite", "--no-progress", "_routing", "gzip where the name ends"],
        ),
        (
            "import",
            [
                "FILE",
                "--id-field",
                "--again",
                "--bad-lines",
                "--most-waiting",
                "--queue",
                "kill -9",
                "7 days",
            ],
        ),
    ],
)
def test_the_help_names_every_option_and_what_a_second_run_does(
    run: CliRunner, command: str, wanted: list[str]
) -> None:
    said = run.invoke(app, [command, "--help"]).stdout

    assert [text for text in wanted if text not in said] == []


def test_an_export_does_not_replace_a_file_unasked(run: CliRunner, tmp_path: Path) -> None:
    there = tmp_path / "out.ndjson"
    there.write_bytes(b"before")
    done = run.invoke(app, ["export", "i", str(there)])

    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
    assert there.read_bytes() == b"before"


@pytest.mark.parametrize("name", ["", "*", "products-*", "a,b", "_all", "Big"])
def test_an_export_of_what_is_no_name_of_one_index_is_refused(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PENSTOCK_ELASTICSEARCH_URL", "none")  # no server is asked, whatever it says
    done = run.invoke(app, ["export", name, str(tmp_path / "out.ndjson")])

    assert done.exit_code == 2
    assert "INDEX: an index name" in done.stderr
    assert f"got {name!r}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_gzip_is_for_standard_output(run: CliRunner, tmp_path: Path) -> None:
    assert run.invoke(app, ["export", "i", str(tmp_path / "out"), "--gzip"]).exit_code == 2


def test_a_file_that_is_not_there_is_named(run: CliRunner, tmp_path: Path) -> None:
    done = run.invoke(app, ["import", "i", str(tmp_path / "none.ndjson")])

    assert done.exit_code == 1
    assert "none.ndjson: No such file" in done.stderr
