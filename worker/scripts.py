"""The Lua scripts, by name. Each file's header states its contract and its keys.

`documents.lua` holds what several of them do with documents and goes before those; `dead_letters.lua`, after
the file of the same name in `jobs/`, goes before those that end jobs, `touching_names.lua` before those that
change what ended jobs leave to a reindex.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_WITH_DOCUMENTS = frozenset(
    {"claim", "claim_suspects", "acquit", "finish", "release", "reap", "park", "unpark"}
)
_WITH_DEAD_LETTERS = frozenset({"finish"})
_WITH_HELD = frozenset({"claim", "claim_suspects"})
_WITH_TOUCHING_NAMES = frozenset({"finish", "touching"})


@cache
def script(name: str) -> str:
    """The whole text of one script."""
    documents = _file("documents") if name in _WITH_DOCUMENTS else ""
    held = _file("held") if name in _WITH_HELD else ""
    names = _file("touching_names") if name in _WITH_TOUCHING_NAMES else ""
    return documents + held + names + (burying() if name in _WITH_DEAD_LETTERS else "") + _file(name)


def burying() -> str:
    """The function `bury` and what it stands on: goes before a script that turns jobs into dead letters."""
    shared = files("jobs").joinpath("dead_letters.lua").read_text(encoding="utf-8")
    return shared + _file("dead_letters")


def _file(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()
