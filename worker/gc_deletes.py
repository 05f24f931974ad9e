"""Warns of indices that forget deleted documents too soon.

Elasticsearch forgets the version of a deleted document after `index.gc_deletes`, a minute unless the index
says otherwise. A write that was enqueued before the delete and arrives later than that brings the document
back. Penstock raises it on the indices that it creates; here it looks at the others.

Each index is looked at once in a process, after its first write, one look at a time, beside the writes and
never before one. A look that fails says nothing: rights may be missing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Set
from typing import Any

from elastic_transport import ApiError, TransportError

from .cancelling import end_tasks
from .elastic import ProcessClient

logger = logging.getLogger("penstock.gc_deletes")

_SETTING = "index.gc_deletes"
# An application with an index for each of its users has many; their names are kept for the process's life.
_MOST_INDICES = 10_000
_UNIT_SECONDS = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TIME = re.compile(r"([0-9.]+)(nanos|micros|ms|s|m|h|d)")


def seconds_of(time: str) -> float | None:
    """A length of time as Elasticsearch writes it, in seconds; -1 (at once) as 0, None for what is none."""
    if time in ("0", "-1"):
        return 0.0
    found = _TIME.fullmatch(time)
    return None if found is None else float(found[1]) * _UNIT_SECONDS[found[2]]


class GcDeletes:
    """One per process, made inside its loop. `expected` is a length of time such as ``1h``."""

    def __init__(self, elastic: ProcessClient, expected: str) -> None:
        self._elastic, self._expected = elastic, expected
        self._least = seconds_of(expected) or 0.0
        self._known: set[str] = set()
        self._warned: set[str] = set()
        self._wanted: list[str] = []
        self._looking: asyncio.Task[None] | None = None

    def written(self, indices: Iterable[str]) -> None:
        """Take note of names that were written to, indices or aliases."""
        new = [name for name in indices if name not in self._known][: _MOST_INDICES - len(self._known)]
        if not new:
            return
        self._known.update(new)
        self._wanted += new
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_at_all())

    @property
    def known(self) -> Set[str]:
        """The names that need not be told again."""
        return self._known

    async def close(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            await end_tasks([self._looking])

    async def _look_at_all(self) -> None:
        while self._wanted:
            name = self._wanted.pop()
            try:
                found = await self._look(name)
            except (ApiError, TransportError) as error:
                logger.debug("%s of %s is not known (%s)", _SETTING, name, type(error).__name__)
                continue
            for index, value in found.items():
                self._judge(index, value)

    async def _look(self, name: str) -> dict[str, str]:
        """The setting of each index behind a name."""
        answer = await self._elastic.client.indices.get_settings(
            index=name, name=_SETTING, flat_settings=True, include_defaults=True
        )
        found: dict[str, Any] = answer.body
        return {
            index: {**said.get("defaults", {}), **said.get("settings", {})}.get(_SETTING, "")
            for index, said in found.items()
        }

    def _judge(self, index: str, value: str) -> None:
        seconds = seconds_of(value)
        if seconds is None or seconds >= self._least or index in self._warned:
            return
        self._warned.add(index)
        logger.warning(
            "index %s forgets deleted documents after %s, expected %s or more: a write that is enqueued "
            "before a delete and arrives later than that brings the document back; "
            'PUT /%s/_settings {"%s": "%s"}',
            index,
            value,
            self._expected,
            index,
            _SETTING,
            self._expected,
        )
