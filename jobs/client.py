"""The async producer: what other services use to enqueue jobs and to read their reports.

    async with IndexQueue("redis://localhost:6379/0") as queue:
        handle = await queue.index(index="products", id="42", document={"name": "Tap"})
        report = await handle.result(timeout=10)

1. The payload is checked and encoded here; a bad one raises InvalidJob and nothing reaches Redis.
2. One script call stores the job, gives it its number and puts it on the queue.
3. The call may be repeated after a cut connection: the script knows the job by its id.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from importlib.resources import files
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

from pydantic import ValidationError
from redis.asyncio import Redis

from . import keys
from .connection import connect, reaching
from .envelope import DEFAULT_MAX_JOB_BYTES, document_keys, encode_job
from .errors import InvalidJob, QueueUnavailable
from .handle import Duplicate, Enqueued, JobHandle, read_report
from .models import (
    PAYLOADS,
    BulkWrite,
    DeleteDocument,
    DocumentAction,
    IndexDocument,
    LoadDocuments,
    Payload,
    ReindexAlias,
    UpdateDocument,
)
from .names import check_length
from .overview import Overview, look
from .report import Report

_DAY_SECONDS = 86_400
_MAX_IDEMPOTENCY_KEY_BYTES = 1024
# One script call holds Redis for as long as it takes: about 10 ms at these marks.
_JOBS_PER_CALL = 500
_BYTES_PER_CALL = 1024 * 1024


class _Entry(NamedTuple):
    """One job as the enqueue script takes it."""

    id: str
    actions: int
    keys: str
    idempotency_key: str
    body: bytes


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
        """Close the connections, unless they came from outside."""
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
        (handle,) = await self._send([self._entry(payload, idempotency_key)])
        return handle

    async def enqueue_many(
        self,
        payloads: Iterable[Payload] | AsyncIterable[Payload],
        *,
        idempotency_key: Callable[[Payload], str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[JobHandle]:
        """Enqueue many payloads in their order, hundreds a round trip; one handle for each.

        `progress` is called with the number enqueued so far. Raises InvalidJob at the first bad
        payload, when all before it have been enqueued, and QueueUnavailable; the `enqueued` attribute of
        both holds the handles of what is known to be enqueued.
        """
        handles: list[JobHandle] = []
        try:
            async for chunk in self._chunks(payloads, idempotency_key):
                handles += await self._send(chunk)
                if progress:
                    progress(len(handles))
        except (InvalidJob, QueueUnavailable) as error:
            error.enqueued = tuple(handles)
            raise
        return handles

    def job(self, job_id: str) -> JobHandle:
        """A handle for an id from elsewhere."""
        return JobHandle(job_id, self._redis, self._queue)

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

    async def _chunks(
        self,
        payloads: Iterable[Payload] | AsyncIterable[Payload],
        idempotency_key: Callable[[Payload], str] | None,
    ) -> AsyncIterator[list[_Entry]]:
        """Entries cut at a count and a size; on a bad payload, first what came before it."""
        chunk: list[_Entry] = []
        size = 0
        found: InvalidJob | None = None
        try:
            async for payload in _each(payloads):
                chunk.append(self._entry(payload, idempotency_key(payload) if idempotency_key else None))
                size += len(chunk[-1].body)
                if len(chunk) >= _JOBS_PER_CALL or size >= _BYTES_PER_CALL:
                    yield chunk
                    chunk, size = [], 0
        except ValidationError as error:  # raised by the caller's generator, as it made a payload
            found = InvalidJob.from_validation(error)
        except InvalidJob as error:
            found = error
        if chunk:
            yield chunk
        if found:
            raise found

    def _entry(self, payload: Payload, idempotency_key: str | None) -> _Entry:
        if not isinstance(payload, Payload):
            raise InvalidJob("payload", payload, f"expected one of the payload models {', '.join(_MODELS)}")
        if idempotency_key is not None:
            _check_idempotency_key(idempotency_key)
        body = encode_job(payload, enqueued_ms=int(time.time() * 1000), max_bytes=self._max_job_bytes)
        documents = document_keys(payload)
        spaced = "".join(f" {key}" for key in documents)
        return _Entry(uuid4().hex, max(1, len(documents)), spaced, idempotency_key or "", body)

    async def _send(self, entries: Sequence[_Entry]) -> list[JobHandle]:
        """One script call. A repeat after a cut connection is safe: the ids are the same."""
        arguments: list[Any] = [
            keys.idempotency_prefix(self._queue),
            self._idempotency_ms,
            keys.wake_channel(self._queue),
        ]
        for entry in entries:
            arguments += entry
        with reaching("take the job"):
            answers = await self._script(keys=[self._queue, keys.LAST_NUMBER], args=arguments)
        return [self._handle(entry, answer) for entry, answer in zip(entries, answers, strict=True)]

    def _handle(self, entry: _Entry, answer: int | bytes) -> JobHandle:
        if isinstance(answer, int):
            return Enqueued(entry.id, self._redis, self._queue)
        return Duplicate(answer.decode(), self._redis, self._queue)


_MODELS = [model.__name__ for model in PAYLOADS.values()]


def _check_idempotency_key(key: Any) -> None:
    """Raises InvalidJob: an empty key would silently be no key."""
    if not isinstance(key, str):
        raise InvalidJob("idempotency_key", key, "an idempotency key is text")
    try:
        check_length(key, "an idempotency key", _MAX_IDEMPOTENCY_KEY_BYTES)
    except ValueError as error:
        raise InvalidJob("idempotency_key", key, str(error)) from None


def _checked(model: type[Payload], arguments: dict[str, Any]) -> Payload:
    try:
        return model(**arguments)
    except ValidationError as error:
        raise InvalidJob.from_validation(error) from None


async def _each(payloads: Iterable[Payload] | AsyncIterable[Payload]) -> AsyncIterator[Payload]:
    if isinstance(payloads, AsyncIterable):
        async for payload in payloads:
            yield payload
    else:
        for payload in payloads:
            yield payload
