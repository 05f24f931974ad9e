"""Reads the records of loads from their sources. Knows no Elasticsearch, no Redis, no arq.

1. A load that is the first of its lane waits here. What waits is read at once where its source is idle; while
   calls are under way, ids gather, so that one call reads those of many jobs.
2. Its record becomes a versioned index, or a delete where the source has none, with the job's own number. The
   entry is ready then, like any other. What is behind it on its document still waits.
3. A record that can't be used rejects its own id. A call that fails is repeated (see SourceReads).
4. No more is read while documents of so many bytes wait to be written, or while Elasticsearch is away.

Nothing is read after `close`: entries that are not settled are their owners'.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic
from typing import Any, Protocol, cast

from .actions import ActionKind
from .answers import Settled, rejected
from .backoff import Backoff
from .entry import Entry, Owner
from .lanes import Lanes
from .records import BadRecord, Found, found_in, write_of
from .registry import Source
from .settling import settle
from .source_reads import Part, SourceReads

logger = logging.getLogger("penstock.sources")

# About 3 ms of serialising: then others have their turn.
_BYTES_PER_TURN = 512 * 1024
_REASON_CHARACTERS = 500
# For a read that is cut to clean up. It is the service's own code: the stop does not wait for more.
_CLEANUP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read. `max_bytes` are those of documents that were read and are not written yet."""

    sources: Mapping[str, Source]
    batch_size: int = 500
    concurrency: int = 2
    timeout_seconds: float = 60.0
    max_bytes: int = 67_108_864
    max_document_bytes: int = 10_485_760


class _Parkable(Owner, Protocol):
    def withdrawn(self, park: Callable[[Any], None]) -> None: ...


class _Watched:
    """Stands between a load's entries and their owner, to know when their documents are let go of."""

    def __init__(self, owner: Owner, entries: Sequence[Entry], let_go: Callable[[Entry], None]) -> None:
        self._owner, self._entries, self._let_go = owner, entries, let_go

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """See Owner."""
        self._let_go(entry)
        self._owner.settled(entry, settled, batch)

    def withdrawn(self, park: Callable[[Any], None]) -> None:
        """See Parkable; all entries have left the batcher by now, or are about to."""
        entries, self._entries = self._entries, ()
        for entry in entries:
            self._let_go(entry)
        cast(_Parkable, self._owner).withdrawn(park)


class Loader:
    """See the module. `wake` is called when entries are ready, and when there may be more to read."""

    def __init__(self, lanes: Lanes, reading: Reading, backoff: Backoff, wake: Callable[[], None]) -> None:
        self._lanes, self._reading, self._backoff, self._wake = lanes, reading, backoff, wake
        self._reads: dict[str, SourceReads] = {}
        self._bytes: dict[Entry, int] = {}
        self._total_bytes = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._closed = False
        self.under_way: dict[asyncio.Task[None], Sequence[Entry]] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        """Take the loads of one job in; those of one document are written in the order in which they come."""
        watched = _Watched(entries[0].owner, entries, self._let_go)
        for entry in entries:
            entry.owner = watched
            self._lanes.add_load(entry)

    def pump(self, *, most: int | None = None) -> None:
        """Read what waits, `most` ids of each source, where that may be done now."""
        while self._lanes.loads:
            load = self._lanes.loads.popleft()
            self._of(cast(str, load.action.source)).add(load)
        if self._closed:
            return
        for name, reads in self._reads.items():
            while self._total_bytes < self._reading.max_bytes and (part := reads.next(most)) is not None:
                self._start(name, reads, part)
            self._wake_after(name, reads)

    @property
    def unread(self) -> Iterable[Entry]:
        """Loads that are being read or wait for it, but for those that wait for a source that is away.

        That may last for hours.
        """
        waiting = (reads.waiting for reads in self._reads.values() if not reads.is_away)
        return chain(self._lanes.loads, *self.under_way.values(), *waiting)

    def close(self) -> None:
        """Read nothing any more; what is under way is cut."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        for task in self.under_way:
            task.cancel()

    async def ended(self) -> None:
        """After `close`: wait until what was cut has ended, or has had its time to clean up."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=_CLEANUP_SECONDS)

    def _of(self, source: str) -> SourceReads:
        if source not in self._reads:
            reading = self._reading
            self._reads[source] = SourceReads(
                reading.batch_size, reading.concurrency, self._backoff, monotonic, self._lanes.latest_load
            )
        return self._reads[source]

    def _wake_after(self, name: str, reads: SourceReads) -> None:
        seconds = reads.seconds_to_wait()
        if not seconds or not reads.waits or name in self._timers:
            return

        def wake() -> None:
            del self._timers[name]
            self._wake()

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, wake)

    def _start(self, name: str, reads: SourceReads, part: Part) -> None:
        task = asyncio.get_running_loop().create_task(self._read(name, reads, part))
        self.under_way[task] = part.loads
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self.under_way[task]
        if not task.cancelled() and (error := task.exception()):
            logger.critical("a defect of Penstock: please report it", exc_info=error)
        self._wake()

    async def _read(self, name: str, reads: SourceReads, part: Part) -> None:
        """One call, from the ids to the entries that are ready."""
        ids = part.ids
        try:
            async with asyncio.timeout(self._reading.timeout_seconds):
                found = found_in(await self._reading.sources[name].fetch(list(ids)), ids)
        except (Exception, asyncio.CancelledError) as error:  # whatever the service's own code raises
            if not self._closed:  # else it was cut, whatever the service makes of that
                self._failed(name, reads, part, error)
            return
        if self._closed:  # it did not let itself be cut: its jobs may be others' by now
            return
        failed_for = reads.succeeded(part, found.records)
        if failed_for is not None:
            logger.warning("all of source %s can be read again after %.1f s", name, failed_for)
        await self._take(reads, part.loads, found)

    def _failed(self, name: str, reads: SourceReads, part: Part, error: BaseException) -> None:
        guilty = reads.failed(part)
        if reads.begins_to_fail():
            # Not its text: it may quote a record, or a password.
            logger.warning("reading from source %s has failed (%s): tried again", name, _place_of(error))
        if guilty is not None:
            self._reject(guilty, "source_failed", f"{type(error).__name__}: {error}")

    async def _take(self, reads: SourceReads, loads: Sequence[Entry], found: Found) -> None:
        if found.strange is not None and len(loads) > 1:
            # Whose record that was is found out as it is for a call that fails.
            reads.divide([load for load in loads if load.action.id not in found.records])
            loads = [load for load in loads if load.action.id in found.records]
        size = 0
        for load in loads:
            size += self._take_one(load, found)
            if size > _BYTES_PER_TURN:
                self._wake()
                await asyncio.sleep(0)
                size = 0

    def _take_one(self, load: Entry, found: Found) -> int:
        try:
            load.action = write_of(load.action, found, self._reading.max_document_bytes)
        except BadRecord as error:
            self._reject(load, "bad_record", str(error))
            return 0
        except Exception as error:  # the other records are written all the same
            logger.critical("a defect of Penstock: please report it", exc_info=error)
            self._reject(load, "internal_error", type(error).__name__)
            return 0
        size = len(load.action.body or b"")
        self._bytes[load] = size
        self._total_bytes += size
        self._lanes.again((load,))
        return size

    def _reject(self, load: Entry, type: str, reason: str) -> None:
        printable = reason[:_REASON_CHARACTERS].encode("utf-8", "backslashreplace").decode()
        settle(self._lanes, load, rejected(type, printable), "")

    def _let_go(self, load: Entry) -> None:
        """The document is written, or its job is somebody else's: a report needs no document."""
        self._total_bytes -= self._bytes.pop(load, 0)
        if load.action.kind is ActionKind.INDEX:
            load.action = load.action._replace(body=None)


def _place_of(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}"
