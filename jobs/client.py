"""The async producer: what other services use to enqueue jobs and to read their reports.

    async with IndexQueue("redis://localhost:6379/0") as queue:
        handle = await queue.index(index="products", id="42", document={"name": "Tap"})
        report = await handle.result(timeout=10)

1. The payload is checked and encoded here; a bad one raises InvalidJob and nothing reaches Redis.
2. One script call stores the job, gives it its number and puts it on the queue.
3. The call may be repeated after a cut connection: the script knows the job by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError
from redis.asyncio import Redis

from . import keys
from .connection import connect, reaching
from .dead_letter_retrier import RetryLimits
from .dead_letters import DeadLetters
from .ended import EndedJobs
from .entries import Entry, Payloads, chunks, entry_of
from .envelope import DEFAULT_MAX_JOB_BYTES
from .errors import InvalidJob, QueueFull, QueueUnavailable
from .handle import Duplicate, Enqueued, JobHandle, read_report
from .models import (
    BulkWrite,
    DeleteDocument,
    DocumentAction,
    IndexDocument,
    LoadDocuments,
    Payload,
    ReindexAlias,
    UpdateDocument,
    VerifyIndex,
)
from .overview import Overview, look
from .raw import RawBulk
from .reindexes import ReindexStatus, ask_to_cancel, read_all, read_status
from .report import Report
from .scripts import mark, registered

_DAY_SECONDS = 86_400


class IndexQueue:
    """Enqueues jobs on one queue. An async context manager; safe to share between tasks.

    `redis` is a URL, or a client of your own that is then left open. `max_job_bytes` must not be above
    the worker's PENSTOCK_JOB_MAX_BYTES. An idempotency key is known for `idempotency_seconds`.

    `refuse_above`: the share of Redis's maxmemory (above 0, up to 1) above which nothing is enqueued and
    QueueFull is raised. What is left above it is for workers, and whatever else is on that Redis. Without a
    maxmemory, or the right to INFO, there is no such mark; at 1 Redis's own limit is the only one.
    """

    def __init__(
        self,
        redis: str | Redis = "redis://127.0.0.1:6379/0",
        *,
        queue: str = keys.DEFAULT_QUEUE,
        max_job_bytes: int = DEFAULT_MAX_JOB_BYTES,
        idempotency_seconds: float = _DAY_SECONDS,
        refuse_above: float = 0.9,
    ) -> None:
        if idempotency_seconds < 0.001:
            raise ValueError(f"idempotency_seconds: expected 0.001 or more, got {idempotency_seconds!r}")
        if not 0 < refuse_above <= 1:
            raise ValueError(f"refuse_above: expected more than 0, and 1 at most, got {refuse_above!r}")
        if not isinstance(redis, str) and redis.connection_pool.connection_kwargs.get("decode_responses"):
            raise ValueError("redis: the client must not decode responses (decode_responses=True)")
        self._owned = isinstance(redis, str)
        self._redis: Redis = connect(redis) if isinstance(redis, str) else redis
        self._queue = queue
        self._ended = EndedJobs(self._redis, queue)
        self._max_job_bytes = max_job_bytes
        self._idempotency_ms = int(idempotency_seconds * 1000)
        self._refuse_above = refuse_above
        self._script = registered(self._redis, "enqueue")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are not from outside; what still waits for a report polls for it."""
        await self._ended.close()
        if self._owned:
            await self._redis.aclose()

    async def index(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Write a whole document: the fields of `IndexDocument`. Raises InvalidJob, QueueUnavailable."""
        return await self.enqueue(_checked(IndexDocument, arguments), idempotency_key=idempotency_key)

    async def update(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Change a document: the fields of `UpdateDocument`. Raises InvalidJob, QueueUnavailable."""
        return await self.enqueue(_checked(UpdateDocument, arguments), idempotency_key=idempotency_key)

    async def delete(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Remove a document: the fields of `DeleteDocument`. Raises InvalidJob, QueueUnavailable."""
        return await self.enqueue(_checked(DeleteDocument, arguments), idempotency_key=idempotency_key)

    async def bulk(
        self,
        *,
        index: str,
        actions: Sequence[DocumentAction | dict[str, Any]],
        wait_until_visible: bool = False,
        idempotency_key: str | None = None,
    ) -> JobHandle:
        """Many actions on one index as one job. Raises InvalidJob, QueueUnavailable."""
        arguments = {"index": index, "actions": actions, "wait_until_visible": wait_until_visible}
        return await self.enqueue(_checked(BulkWrite, arguments), idempotency_key=idempotency_key)

    async def load(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Have the worker read records from a source: the fields of `LoadDocuments`."""
        return await self.enqueue(_checked(LoadDocuments, arguments), idempotency_key=idempotency_key)

    async def reindex(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Build a new index behind an alias: the fields of `ReindexAlias`."""
        return await self.enqueue(_checked(ReindexAlias, arguments), idempotency_key=idempotency_key)

    async def verify(self, *, idempotency_key: str | None = None, **arguments: Any) -> JobHandle:
        """Compare an index with a source: the fields of `VerifyIndex`. The report tells what differs."""
        return await self.enqueue(_checked(VerifyIndex, arguments), idempotency_key=idempotency_key)

    async def enqueue(self, payload: Payload | RawBulk, *, idempotency_key: str | None = None) -> JobHandle:
        """Enqueue one payload: `Enqueued`, or `Duplicate` where the key belongs to an earlier job.

        Raises InvalidJob (nothing reached Redis), QueueFull (nothing was stored) and QueueUnavailable (safe
        to enqueue again).
        """
        entry = entry_of(payload, idempotency_key, self._max_job_bytes)
        (handle,) = await self._send([entry])
        return handle

    async def enqueue_many(
        self,
        payloads: Payloads,
        *,
        idempotency_key: Callable[[Payload], str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[JobHandle]:
        """Enqueue many payloads in their order, hundreds a round trip; one handle for each.

        `progress` is called with the number enqueued so far. Raises InvalidJob at the first bad
        payload, when all before it have been enqueued, and QueueUnavailable; the `enqueued` attribute of
        both holds the handles of what is known to be enqueued. For more payloads than memory has room for
        handles, use `enqueue_stream`.
        """
        handles: list[JobHandle] = []
        try:
            async for part in self.enqueue_stream(payloads, idempotency_key=idempotency_key):
                handles += part
                if progress:
                    progress(len(handles))
        except (InvalidJob, QueueUnavailable) as error:
            error.enqueued = tuple(handles)
            raise
        return handles

    async def enqueue_stream(
        self,
        payloads: Payloads,
        *,
        idempotency_key: Callable[[Payload], str] | None = None,
    ) -> AsyncIterator[list[JobHandle]]:
        """Enqueue any number of payloads in their order; yields the handles of each round trip.

        Holds no more than some hundred payloads at a time, and enqueues only while it is iterated. Raises
        as `enqueue_many` does, when the handles of all that was enqueued have been yielded.
        """

        def entry(payload: Payload) -> Entry:
            key = idempotency_key(payload) if idempotency_key else None
            return entry_of(payload, key, self._max_job_bytes)

        async with aclosing(self._sent(chunks(payloads, entry))) as sent:
            async for handles in sent:
                yield handles

    @property
    def dead_letters(self) -> DeadLetters:
        """This queue's dead letters: list, show, retry, purge."""
        limits = RetryLimits(self._max_job_bytes, self._idempotency_ms, self._refuse_above)
        return DeadLetters(self._redis, self._queue, limits, self._made)

    def job(self, job_id: str) -> JobHandle:
        """A handle for an id from elsewhere."""
        return JobHandle(job_id, self._redis, self._queue, self._ended)

    async def reports(self, handles: Iterable[JobHandle]) -> list[Report | None]:
        """The reports of many jobs in one round trip; None for a job that has not ended."""
        names = [keys.RESULT_PREFIX + handle.id for handle in handles]
        with reaching("tell the reports"):
            stored = await self._redis.mget(names) if names else []
        return [None if raw is None else read_report(raw) for raw in stored]

    async def overview(self, failures: int = 10) -> Overview:
        """The queue, its workers and its latest failures."""
        with reaching("tell of the queue"):
            return await look(self._redis, self._queue, failures)

    async def reindexes(self) -> list[ReindexStatus]:
        """The reindexes that are or were under way in this Redis database, on whichever queue."""
        with reaching("tell of the reindexes"):
            return await read_all(self._redis)

    async def reindex_status(self, alias: str) -> ReindexStatus:
        """How far the reindex of an alias is. Raises JobNotFound where none is known."""
        with reaching("tell of the reindex"):
            return await read_status(self._redis, alias)

    async def cancel_reindex(self, alias: str) -> ReindexStatus:
        """Have a reindex stop: alias and data stay as they were. Raises JobNotFound, CancelRefused."""
        with reaching("take the wish to cancel"):
            return await ask_to_cancel(self._redis, alias)

    async def _sent(self, parts: AsyncIterator[list[Entry]]) -> AsyncGenerator[list[JobHandle]]:
        """Each part sent, in order, while the next one is made: Redis and the caller work side by side."""
        sending: asyncio.Task[list[JobHandle]] | None = None
        found: Exception | None = None
        try:
            while True:
                try:
                    part = await anext(parts, None)
                except Exception as error:  # a bad payload, or whatever the caller's iterable raises
                    part, found = None, error
                if sending is not None:
                    handles, sending = await sending, None
                    yield handles
                if part is None:
                    break
                sending = asyncio.create_task(self._send(part))
        finally:
            if sending is not None:
                sending.cancel()
        if found:
            raise found

    async def _send(self, entries: Sequence[Entry]) -> list[JobHandle]:
        """One script call. A repeat after a cut connection is safe: the ids are the same."""
        arguments: list[Any] = [
            keys.idempotency_prefix(self._queue),
            self._idempotency_ms,
            keys.wake_channel(self._queue),
        ]
        with_keys = any(entry.idempotency_key for entry in entries)
        arguments += ("1" if with_keys else "", mark(self._refuse_above))
        if with_keys:
            for entry in entries:
                arguments += (entry.stored, entry.idempotency_key)
        else:
            arguments += [entry.stored for entry in entries]
        with reaching("take the job"):
            answers = await self._script(keys=[self._queue, keys.LAST_NUMBER], args=arguments)
        if isinstance(answers, bytes):
            raise QueueFull.above(self._refuse_above, answers)
        return [self._handle(entry, answer) for entry, answer in zip(entries, answers, strict=True)]

    def _handle(self, entry: Entry, answer: int | bytes) -> JobHandle:
        if isinstance(answer, int):
            return self._made(entry.id, True)
        return self._made(answer.decode(), False)

    def _made(self, id: str, enqueued: bool) -> JobHandle:
        """The handle of a job that this call has enqueued, or of the one that stands in its way."""
        kind = Enqueued if enqueued else Duplicate
        return kind(id, self._redis, self._queue, self._ended)


def _checked(model: type[Payload], arguments: dict[str, Any]) -> Payload:
    try:
        return model(**arguments)
    except ValidationError as error:
        raise InvalidJob.from_validation(error) from None
