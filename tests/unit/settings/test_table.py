"""The README's table of settings is made from the code and held to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from settings import Settings
from settings.table import BEGIN, END, main, table

PAGE = f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_given_the_settings_when_the_table_is_made_then_each_has_one_row_of_three_cells() -> None:
    header, rule, *rows = table().splitlines()

    assert (header, rule) == ("| variable | default | meaning |", "|---|---|---|")
    assert len(rows) == len(Settings.model_fields)
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)
    assert rows[0].startswith("| `PENSTOCK_REDIS_URL` | `redis://127.0.0.1:6379/0` | Redis: ")


def test_given_variables_in_the_environment_when_the_table_is_made_then_it_still_shows_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_QUEUE", "mine")

    assert "mine" not in table()


def test_given_a_stale_page_when_checked_then_it_fails_says_what_to_run_and_writes_nothing(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", str(page)]) == 1

    assert f"python -m settings.table --write {page}" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == PAGE


def test_given_a_stale_page_when_written_then_only_the_table_changes_and_the_check_passes(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--write", str(page)]) == 0
    assert main(["--check", str(page)]) == 0

    assert page.read_text(encoding="utf-8") == f"# Title\n\n{BEGIN}\n{table()}\n{END}\n\nThe end.\n"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("action", ["--check", "--write"])
@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_given_a_page_without_the_markers_when_run_then_it_fails_and_names_them(
    action: str, text: str, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.write_text(text, encoding="utf-8")

    assert main([action, str(page)]) == 1

    message = capsys.readouterr().err
    assert BEGIN in message
    assert END in message
    assert page.read_text(encoding="utf-8") == text


def test_given_no_page_when_checked_then_the_path_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", str(tmp_path / "missing.md")]) == 1

    assert "missing.md" in capsys.readouterr().err


def test_given_the_module_when_run_as_a_command_then_its_exit_status_is_the_answer(page: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "settings.table", "--check", str(page)]

    stale = subprocess.run(command, capture_output=True, text=True, check=False)

    assert stale.returncode == 1
    assert stale.stderr.count("\n") == 1
