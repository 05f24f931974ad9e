"""The Lua scripts, by name. Each file's header states its contract and its keys.

`documents.lua` holds what several of them do with documents and goes before those.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_WITH_DOCUMENTS = frozenset({"claim", "finish", "release", "reap"})


@cache
def script(name: str) -> str:
    """The whole text of one script."""
    return _file("documents") + _file(name) if name in _WITH_DOCUMENTS else _file(name)


def _file(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text()
