"""Lines of a file into an index, as `bulk` jobs of some hundred, each with its own report.

1. Read a part of the file; a line that is no document is told, and the others go on.
2. Wait while the queue is long, or too many of these jobs are without their reports.
3. Enqueue the part under a key made of the file's content up to its end: a second run over the same file
   enqueues nothing twice, wherever the first was cut off. Which lines were left out is in the key as well:
   with a higher limit a line that was too long is one of the part, and the part is another job.
4. Count the outcomes in the reports, and tell the lines that were rejected.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic
from typing import TypeVar

from jobs import IndexQueue, InvalidJob, JobFailed, JobHandle, JobNotFound, QueueUnavailable, Report
from jobs.handle import Duplicate
from jobs.raw import RawBulk, RawDocument
from jobs.report import refusal

from ..cancelling import end_tasks
from .files import Part
from .lines import BadLine, ReadLine

T = TypeVar("T")
# Told of a line by its number: the id where it is known, a type, a reason.
TellBad = Callable[[int, str | None, str, str], None]

# Reports of a second run's jobs are read from the first run's.
_MOST_UNREPORTED = 32
_LOOK_SECONDS = 0.5
_AGAIN_SECONDS = 1.0
_TOO_LONG = "longer than a job may be (PENSTOCK_JOB_MAX_BYTES)"


@dataclass
class Tally:
    """How far an import is. `earlier`: of `enqueued`, those that an earlier run had enqueued.

    `outcomes` counts what the reports tell; `unknown` documents were enqueued by an earlier run whose reports
    have expired.
    """

    lines: int = 0
    bad: int = 0
    enqueued: int = 0
    earlier: int = 0
    unknown: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def reported(self) -> int:
        """Documents whose end is known, or will never be."""
        return self.outcomes.total() + self.unknown

    @property
    def faultless(self) -> bool:
        """Whether every line was a document, and every document is known to be written."""
        return not self.bad and not self.outcomes["rejected"] and not self.unknown


@dataclass(frozen=True)
class Told:
    """Whom an import tells what: bad and rejected lines, how far it is, and what it waits for."""

    bad: TellBad
    progress: Callable[[Tally], None]
    waiting: Callable[[str], None]


class Import:
    """See the module. `salt` tells runs apart whose files and indices are the same."""

    def __init__(
        self, queue: IndexQueue, index: str, read: ReadLine, told: Told, *, most_waiting: int, salt: str
    ) -> None:
        self._queue, self._index, self._read, self._told = queue, index, read, told
        self._most_waiting = most_waiting
        self._salt = blake2b(f"{index}\0{salt}".encode(), digest_size=8).hexdigest()
        self._unreported: set[asyncio.Task[None]] = set()
        self._looked_at = 0.0
        self.tally = Tally()

    async def run(self, parts: Iterator[Part]) -> Tally:
        """Until every line is reported. Raises what `parts` raises, and InvalidJob for the index."""
        try:
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                await self._take(part)
                self._told.progress(self.tally)
            while self._unreported:
                await self._some_reports()
        finally:
            await end_tasks(self._unreported)
        return self.tally

    async def _take(self, part: Part) -> None:
        documents = self._documents(part)
        self.tally.lines = part.lines[-1].number
        if not documents:
            return
        bulk = RawBulk(self._index, tuple(documents.values()))
        while len(self._unreported) >= _MOST_UNREPORTED:
            await self._some_reports()
        await self._until_the_queue_is_short()
        key = self._key(part, documents)
        try:
            handle = await self._patiently(lambda: self._queue.enqueue(bulk, idempotency_key=key))
        except InvalidJob as error:  # a document too large to share a part, and for a job of its own
            for number, document in documents.items():
                self._bad(number, document.id, str(error))
            return
        self.tally.enqueued += len(documents)
        self.tally.earlier += len(documents) if isinstance(handle, Duplicate) else 0
        self._unreported.add(asyncio.create_task(self._wait_for(handle, documents)))

    def _key(self, part: Part, documents: dict[int, RawDocument]) -> str:
        left_out = [line.number for line in part.lines if line.number not in documents]
        digest = blake2b(f"{part.digest}:{left_out}".encode(), digest_size=16).hexdigest()
        return f"import:{self._salt}:{part.lines[0].number}-{part.lines[-1].number}:{digest}"

    def _documents(self, part: Part) -> dict[int, RawDocument]:
        """The documents by the numbers of their lines, without empty lines and bad ones."""
        documents: dict[int, RawDocument] = {}
        for number, text in part.lines:
            if text is None:
                self._bad(number, None, _TOO_LONG)
            elif text.strip():
                try:
                    documents[number] = self._read(text)
                except BadLine as error:
                    self._bad(number, None, str(error))
        return documents

    def _bad(self, number: int, id: str | None, reason: str) -> None:
        self.tally.bad += 1
        self._told.bad(number, id, "bad_line", reason)

    async def _until_the_queue_is_short(self) -> None:
        """Looked at now and then: in between at most `_MOST_UNREPORTED` jobs of this import are added."""
        while monotonic() >= self._looked_at + _LOOK_SECONDS:
            overview = await self._patiently(lambda: self._queue.overview(0))
            if overview.waiting <= self._most_waiting:
                self._looked_at = monotonic()
                return
            self._told.waiting(f"more than {self._most_waiting} jobs are waiting: waiting with them")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _some_reports(self) -> None:
        done, self._unreported = await asyncio.wait(self._unreported, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        self._told.progress(self.tally)

    async def _wait_for(self, handle: JobHandle, documents: dict[int, RawDocument]) -> None:
        report = await self._patiently(lambda: _report(handle))
        if report is None:
            self.tally.unknown += len(documents)
            return
        if report.rejected and not report.counts:  # the job as a whole: none of it was written
            (first, *_) = report.rejected
            for number, document in documents.items():
                self._told.bad(number, document.id, first.type, first.reason)
            self.tally.outcomes["rejected"] += len(documents)
            return
        numbers = list(documents)
        for rejection in report.rejected:
            self._told.bad(numbers[rejection.position], rejection.id, rejection.type, rejection.reason)
        self.tally.outcomes.update(report.counts)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Redis may be away or full for a while; repeating is safe, since the key is the same."""
        while True:
            try:
                return await ask()
            except QueueUnavailable as error:
                self._told.waiting(str(error))
                await asyncio.sleep(_AGAIN_SECONDS)


async def _report(handle: JobHandle) -> Report | None:
    """The report of the job, failed or not; None where it has expired."""
    try:
        return await handle.result()
    except JobFailed as error:
        return error.report
    except JobNotFound:
        return None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return refusal("cancelled", "the job was aborted")
