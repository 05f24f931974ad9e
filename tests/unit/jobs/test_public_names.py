"""What the room exports, and what it is allowed to need."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import jobs

FOLDER = Path(jobs.__file__).parent


def test_every_exported_name_exists_and_is_documented() -> None:
    for name in jobs.__all__:
        assert hasattr(jobs, name), name
        if name not in ("DocumentAction", "Payload"):  # unions have no docstring of their own
            assert getattr(jobs, name).__doc__, name


def test_the_names_are_sorted_and_once_each() -> None:
    assert jobs.__all__ == sorted(set(jobs.__all__))


def test_the_room_is_typed() -> None:
    assert (FOLDER / "py.typed").is_file()


def test_it_imports_relatively_and_needs_nothing_but_pydantic_and_redis() -> None:
    absolute = {name for path in FOLDER.glob("*.py") for name in absolute_imports(path)}

    assert absolute - set(sys.stdlib_module_names) == {
        "pydantic",
        "pydantic_core",  # the part of pydantic that is made in Rust; it comes with it
        "redis",
    }


def absolute_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
    return found
