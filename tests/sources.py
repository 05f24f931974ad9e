"""A system of record for tests: rows in memory, read as slowly and as badly as a test likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from worker.registry import Record, Registry


class Rows:
    """A source. `calls` has the ids of every fetch; `answer` may replace what is answered, or raise."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.routing: dict[str, str] = {}
        self.calls: list[list[str]] = []
        self.answer: Callable[[Sequence[str], list[Any]], Iterable[Any]] | None = None
        self.called = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold back every answer, with the rows as they were when they were asked for."""
        self._open.clear()
        self.called.clear()
        try:
            yield
        finally:
            self._open.set()

    async def fetch(self, ids: Sequence[str]) -> Iterable[Any]:
        """See Reader."""
        self.calls.append(list(ids))
        found = [Record(id, self.rows[id], self.routing.get(id)) for id in ids if id in self.rows]
        self.called.set()
        await self._open.wait()
        return found if self.answer is None else self.answer(ids, found)

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """See Reader."""
        yield [Record(id, self.rows[id]) for id in sorted(self.rows) if after is None or id > after]


def registered(monkeypatch: pytest.MonkeyPatch, module: str, index: str, rows: Rows) -> str:
    """Make `rows` the source `rows` of a registry in a module of this name; what PENSTOCK_SOURCES says."""
    made = ModuleType(module)
    registry = Registry()
    registry.source("rows", index=index)(rows)
    vars(made)["registry"] = registry
    monkeypatch.setitem(__import__("sys").modules, module, made)
    return f"{module}:registry"
