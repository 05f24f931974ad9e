"""What the documentation says can be followed: links resolve, commands exist, examples compile."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from embedded.cli import app as services
from settings import Settings
from settings.names import variable
from settings.table import with_table
from worker.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
NAMES = list(TEXTS)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# `worker/batcher.py`, `docs/schema`: a path of this repository, by its first folder.
REPOSITORY_PATH = re.compile(r"(?<!/)(?:jobs|settings|worker|embedded|examples|docs|client|tests)/[\w./-]+")
# `IntakeLoop.run` (`worker/intake_loop.py`), `encode_job` in `jobs/envelope.py`: a name and its file.
NAME_AND_FILE = re.compile(r"`([A-Za-z_]+(?:\.[A-Za-z_]+)?)`\s+(?:\(|in\s+)`([\w/]+\.py)`")


def prose(name: str) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", TEXTS[name])


def blocks(name: str, language: str) -> list[str]:
    return [code for found, code in FENCE.findall(TEXTS[name]) if found == language]


def commands(name: str, program: str) -> Iterator[list[str]]:
    """The words after the program's name, wherever a page tells to run it."""
    lines = [line for code in blocks(name, "sh") for line in code.splitlines()]
    for line in [*lines, *INLINE.findall(prose(name))]:
        for command in re.split(r"&&|\$\(|[;|)\"]", line.partition(" #")[0]):
            words = list(dropwhile(lambda word: "=" in word, command.split()))
            if words[:1] == [program]:
                yield words[1:]


def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    for target in LINK.findall(prose(name)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(page.resolve().relative_to(ROOT).as_posix()), f"{name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_every_path_of_the_repository_exists(name: str) -> None:
    written = [path for code in INLINE.findall(prose(name)) for path in REPOSITORY_PATH.findall(code)]
    made_by_a_command = [path for path in written if path.startswith("client/dist/")]

    missing = [path for path in written if path not in made_by_a_command and not (ROOT / path).exists()]

    assert missing == []


def test_every_name_of_the_architecture_is_in_the_file_it_is_said_to_be_in() -> None:
    found = NAME_AND_FILE.findall(prose("docs/architecture.md"))

    assert len(found) > 20
    for name, file in found:
        defined = defined_names(ROOT / file)
        assert set(name.split(".")) <= defined, f"{name} in {file}"


def defined_names(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", NAMES)
def test_every_penstock_command_exists_with_its_options(name: str) -> None:
    root = typer.main.get_group(app)
    root.add_command(typer.main.get_group(services), "services")
    for words in commands(name, "penstock"):
        command: Any = root
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{name}: penstock {' '.join(words)}"
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, f"{name}: {words}"


def test_every_log_line_of_the_operations_page_is_one_that_the_worker_writes() -> None:
    rows = re.findall(r"^\| (?:`[\w.]+`)? ?\| `([^`]+)` \|", TEXTS["docs/operations.md"], re.MULTILINE)
    files = sorted((ROOT / "worker").rglob("*.py"))
    # A message that is spread over several lines of the source is read as one.
    sources = "".join(re.sub(r'"\n\s*"', "", file.read_text(encoding="utf-8")) for file in files)

    assert len(rows) > 20
    for row in rows:
        # Words in capitals, numbers and dots stand for what differs from line to line.
        fixed = [part.strip(" :;()=,") for part in re.split(r"\b[A-Z]+\b|…|\d+", row)]
        missing = [part for part in fixed if len(part) > 8 and part not in sources]
        assert missing == [] or row.startswith("Node "), row


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for words in commands(name, "make") for word in words if "=" not in word}

    assert named <= targets


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_a_setting(name: str) -> None:
    known = {variable(field) for field in Settings.model_fields}

    # PENSTOCK_ alone is the prefix.
    assert set(re.findall(r"PENSTOCK_\w+", TEXTS[name])) <= known


@pytest.mark.parametrize("name", NAMES)
def test_every_python_block_compiles(name: str) -> None:
    for code in blocks(name, "python"):
        compile(code, name, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_no_line_holds_a_path_of_somebodys_machine(name: str) -> None:
    assert re.findall(r"(?:/home/|/root/|/work/|/Users/)\S*", TEXTS[name]) == []


def test_the_readmes_table_of_settings_is_fresh() -> None:
    assert with_table(TEXTS["README.md"]) == TEXTS["README.md"]


def test_the_readme_has_room_for_the_figures() -> None:
    begin, end = "<!-- figures:begin -->", "<!-- figures:end -->"

    assert TEXTS["README.md"].count(begin) == TEXTS["README.md"].count(end) == 1
    assert TEXTS["README.md"].index(begin) < TEXTS["README.md"].index(end)


def test_ci_ends_with_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if line.startswith("make ")]

    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert [line.split()[:2] for line in lines] == [["make", "check"], ["make", "test"]]
    assert ["test"] in list(commands("README.md", "make"))
