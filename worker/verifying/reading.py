"""The source as a verification reads it: bounded in time, and believed only where all of an answer fits.

A load rejects the one record that can't be used. Here the whole verification fails: what it told, and what it
repaired, would rest on an answer that nobody understands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from ..records import BadRecord, found_in
from ..registry import Record, Registered


class SourceFailed(Exception):
    """Raised when the source raised something, which is the cause, or took too long."""


class Reading:
    """One source. `timeout`: seconds for a call of `fetch`, and for each batch of `all`."""

    def __init__(self, source: Registered, timeout: float) -> None:
        self._source, self._timeout = source, timeout

    async def fetch(self, ids: Iterable[str]) -> dict[str, Record]:
        """The records by id; those that are gone are left out. Raises SourceFailed or BadRecord."""
        asked = sorted(set(ids))
        if not asked:
            return {}
        try:
            async with asyncio.timeout(self._timeout):
                answer = list(await self._source.fetch(asked))
        except Exception as error:
            raise _failed("fetch", error) from error
        return _believed(answer, asked)

    async def batches(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        """All records, from behind `after` on. Raises SourceFailed or BadRecord."""
        batches = aiter(self._source.all(after))
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    batch = await anext(batches, None)
            except Exception as error:
                raise _failed("all", error) from error
            if batch is None:
                return
            ids = [record.id for record in batch if isinstance(record, Record)]
            yield list(_believed(batch, ids).values())


def _failed(what: str, error: Exception) -> SourceFailed:
    said = "took too long" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
    return SourceFailed(f"{what}: {said}")


def _believed(answer: Iterable[Record], asked: Sequence[str]) -> dict[str, Record]:
    found = found_in(answer, asked)
    if found.strange is not None:
        raise BadRecord(found.strange)
    if found.twice:
        raise BadRecord(f"the source answered with two records of id {min(found.twice)!r}")
    return dict(found.records)
