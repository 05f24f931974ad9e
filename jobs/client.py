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
from importlib.resources import files
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
from .errors import InvalidJob, QueueUnavailable
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
)
from .overview import Overview, look
from .report import Report

_DAY_SECONDS = 86_400


class IndexQueue:
    """Enqueues jobs on one queue. An async context manager; safe to share between tasks.

    `redis` is a URL, or a client of your own that is then left open. `max_job_bytes` must not be above
    the worker's PENSTOCK_JOB_MAX_BYTES. An idempotency key is known for `idempotency_seconds`.
    """

    def __init__(
        self,
        redis: str | Redis = "redis://127.0.0.1:6379/0",
        *,
        queue: str = keys.DEFAULT_QUEUE,
        max_job_bytes: int = DEFAULT_MAX_JOB_BYTES,
        idempotency_seconds: float = _DAY_SECONDS,
    ) -> None:
        if idempotency_seconds < 0.001:
            raise ValueError(f"idempotency_seconds: expected 0.001 or more, got {idempotency_seconds!r}")
        if not isinstance(redis, str) and redis.connection_pool.connection_kwargs.get("decode_responses"):
            raise ValueError("redis: the client must not decode responses (decode_responses=True)")
        self._owned = isinstance(redis, str)
        self._redis: Redis = connect(redis) if isinstance(redis, str) else redis
        self._queue = queue
        self._ended = EndedJobs(self._redis, queue)
        self._max_job_bytes = max_job_bytes
        self._idempotency_ms = int(idempotency_seconds * 1000)
        script = files(__package__).joinpath("enqueue.lua").read_text(encoding="utf-8")
        self._script = self._redis.register_script(script)

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

    async def enqueue(self, payload: Payload, *, idempotency_key: str | None = None) -> JobHandle:
        """Enqueue one payload: `Enqueued`, or `Duplicate` where the key belongs to an earlier job.

        Raises InvalidJob (nothing reached Redis) and QueueUnavailable (safe to enqueue again).
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
        limits = RetryLimits(self._max_job_bytes, self._idempotency_ms)
        return DeadLetters(self._redis, self._queue, limits)

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
        if any(entry.idempotency_key for entry in entries):
            arguments.append("1")
            for entry in entries:
                arguments += (entry.stored, entry.idempotency_key)
        else:
            arguments.append("")
            arguments += [entry.stored for entry in entries]
        with reaching("take the job"):
            answers = await self._script(keys=[self._queue, keys.LAST_NUMBER], args=arguments)
        return [self._handle(entry, answer) for entry, answer in zip(entries, answers, strict=True)]

    def _handle(self, entry: Entry, answer: int | bytes) -> JobHandle:
        if isinstance(answer, int):
            return Enqueued(entry.id, self._redis, self._queue, self._ended)
        return Duplicate(answer.decode(), self._redis, self._queue, self._ended)


def _checked(model: type[Payload], arguments: dict[str, Any]) -> Payload:
    try:
        return model(**arguments)
    except ValidationError as error:
        raise InvalidJob.from_validation(error) from None
