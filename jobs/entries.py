"""Payload to entry: one job as the enqueue script takes it, and entries cut into round trips. No network."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

from pydantic import ValidationError

from .envelope import actions_in, document_keys, encode_job
from .errors import InvalidJob
from .models import PAYLOADS, Payload
from .names import check_length
from .raw import RawBulk

Payloads = Iterable[Payload] | AsyncIterable[Payload]

_MAX_IDEMPOTENCY_KEY_BYTES = 1024
# One script call holds Redis for as long as it takes: about 10 ms at these marks.
_JOBS_PER_CALL = 500
_BYTES_PER_CALL = 1024 * 1024
# The event loop gets its turn after so many: others run, and the last call gets onto its way.
_JOBS_PER_TURN = 25
_MODELS = ", ".join(model.__name__ for model in PAYLOADS.values())


class Entry(NamedTuple):
    """One job as the enqueue script takes it: `stored` has its id, number of actions, keys and JSON."""

    id: str
    stored: bytes
    idempotency_key: str


def entry_of(payload: Payload | RawBulk, idempotency_key: str | None, max_bytes: int) -> Entry:
    """A job with a new id. Raises InvalidJob."""
    if not isinstance(payload, Payload | RawBulk):
        raise InvalidJob("payload", payload, f"expected one of the payload models {_MODELS}")
    if idempotency_key is not None:
        _check_idempotency_key(idempotency_key)
    body = encode_job(payload, enqueued_ms=int(time.time() * 1000), max_bytes=max_bytes)
    documents = document_keys(payload)
    # As random as a UUID, and a quarter of its price; asked of the system, so that a fork repeats none.
    id = os.urandom(16).hex()
    head = " ".join((id, str(actions_in(payload)), *documents))
    return Entry(id, b"%b\n%b" % (head.encode(), body), idempotency_key or "")


async def chunks(payloads: Payloads, entry: Callable[[Payload], Entry]) -> AsyncIterator[list[Entry]]:
    """Entries cut at a count and a size; on a bad payload, first what came before it. Raises InvalidJob."""
    cut = _Cut()
    found: InvalidJob | None = None
    if isinstance(payloads, AsyncIterable):
        parts = _each_async(payloads, entry, cut)
    else:
        parts = _each(payloads, entry, cut)
    try:
        async for full in parts:
            yield full
    except ValidationError as error:  # raised by the caller's generator, as it made a payload
        found = InvalidJob.from_validation(error)
    except InvalidJob as error:
        found = error
    if cut.entries:
        yield cut.entries
    if found:
        raise found


async def _each(
    payloads: Iterable[Payload], entry: Callable[[Payload], Entry], cut: _Cut
) -> AsyncIterator[list[Entry]]:
    for number, payload in enumerate(payloads):
        if full := cut.add(entry(payload)):
            yield full
        if number % _JOBS_PER_TURN == 0:
            await asyncio.sleep(0)


async def _each_async(
    payloads: AsyncIterable[Payload], entry: Callable[[Payload], Entry], cut: _Cut
) -> AsyncIterator[list[Entry]]:
    async for payload in payloads:
        if full := cut.add(entry(payload)):
            yield full


class _Cut:
    """Entries of the next round trip."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._bytes = 0

    def add(self, entry: Entry) -> list[Entry] | None:
        """All entries, where there are enough for a round trip by now."""
        self.entries.append(entry)
        self._bytes += len(entry.stored)
        if len(self.entries) < _JOBS_PER_CALL and self._bytes < _BYTES_PER_CALL:
            return None
        full, self.entries, self._bytes = self.entries, [], 0
        return full


def _check_idempotency_key(key: Any) -> None:
    """Raises InvalidJob: an empty key would silently be no key."""
    if not isinstance(key, str):
        raise InvalidJob("idempotency_key", key, "an idempotency key is text")
    try:
        check_length(key, "an idempotency key", _MAX_IDEMPOTENCY_KEY_BYTES)
    except ValueError as error:
        raise InvalidJob("idempotency_key", key, str(error)) from None
