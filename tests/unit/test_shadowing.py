"""A user's own `jobs`, `settings` or `worker` earlier on the path: found before any import, and explained."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("jobs", "settings", "worker", "embedded")


def run_penstock(folder: Path) -> subprocess.CompletedProcess[str]:
    """`penstock --help` as the installed command starts it, with `folder` before everything else."""
    return subprocess.run(
        [sys.executable, "-c", "import sys; from penstock import main; sys.argv[1:] = ['--help']; main()"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "TERM": "dumb"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def module(folder: Path, room: str) -> Path:
    path = folder / f"{room}.py"
    path.write_text("raise SystemExit('the foreign module was imported')\n")
    return path


def package(folder: Path, room: str) -> Path:
    (folder / room).mkdir()
    path = folder / room / "__init__.py"
    path.write_text("raise SystemExit('the foreign package was imported')\n")
    return path


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("make", [module, package])
def test_a_foreign_module_is_named_with_its_file_and_never_imported(
    make: Callable[[Path, str], Path], room: str, tmp_path: Path
) -> None:
    foreign = make(tmp_path, room)

    ended = run_penstock(tmp_path)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert f"  {room} -> {foreign.resolve()}" in ended.stderr
    assert "was imported" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_every_room_in_the_way_is_named_and_only_those(tmp_path: Path) -> None:
    module(tmp_path, "jobs")
    package(tmp_path, "worker")

    message = run_penstock(tmp_path).stderr

    assert "  jobs -> " in message
    assert "  worker -> " in message
    assert "  settings -> " not in message


def test_the_message_says_what_to_do(tmp_path: Path) -> None:
    module(tmp_path, "settings")

    message = run_penstock(tmp_path).stderr

    assert message.startswith("penstock can't start: Python finds other modules in place of its own:\n")
    assert "Rename them, take their folder off PYTHONPATH" in message
    assert "penstock_client" in message


def test_a_folder_without_python_in_it_is_not_in_the_way(tmp_path: Path) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()

    ended = run_penstock(tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert "worker" in ended.stdout
