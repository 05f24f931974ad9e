"""Producers that write what became of each submit into the ledger.

1. A submit takes the locks of its documents, so that the ledger's order is the order of enqueue.
2. A persistent producer repeats what failed, under the same idempotency key, until it knows.
3. Another one gives up at the first error: the submit is of unknown fate, and has to be right either way.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from jobs import Duplicate, IndexQueue, InvalidJob, QueueFull, QueueUnavailable
from tests.faults.ledger import Ledger, State, Submit
from tests.faults.operations import Operation, payload, stream

_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """How many producers submit how fast. A quarter of the jobs are bulks of `most_in_a_bulk`.

    `persistent` is the share of submits that are repeated until their fate is known.
    """

    seed: int
    jobs_a_second: float
    producers: int = 3
    most_in_a_bulk: int = 1
    persistent: float = 1.0


class Producers:
    """Several producers on one queue that share the documents. `redis_url` may lead through a proxy."""

    def __init__(self, redis_url: str, index: str, ledger: Ledger) -> None:
        self._url, self._index, self.ledger = redis_url, index, ledger
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._queue = IndexQueue(redis_url)

    async def close(self) -> None:
        await self._queue.close()

    async def submit(
        self, *operations: Operation, persistent: bool = True, queue: IndexQueue | None = None
    ) -> Submit:
        """Enqueue one job of these operations."""
        async with AsyncExitStack() as stack:
            for document in sorted({operation.document for operation in operations}):
                await stack.enter_async_context(self._locks[document])
            state, job_id = await self._enqueue(queue or self._queue, operations, persistent)
            return self.ledger.enter(Submit(operations, state, job_id))

    async def submit_all(self, operations: Iterable[Operation]) -> list[Submit]:
        """One job each, in order, one after the other."""
        return [await self.submit(operation) for operation in operations]

    async def submit_together(self, operations: Sequence[Operation]) -> list[Submit]:
        """One job each, in order, hundreds a round trip; no other producer may use their documents."""
        handles = await self._queue.enqueue_many(
            payload([operation], self._index) for operation in operations
        )
        pairs = zip(operations, handles, strict=True)
        return [self.ledger.enter(Submit((operation,), State.OK, handle.id)) for operation, handle in pairs]

    async def run(
        self, operations: Iterable[Operation], load: Load, stop: asyncio.Event | None = None
    ) -> None:
        """Share the operations out among producers until all are submitted, or until told to stop."""
        dice = random.Random(load.seed)
        left = iter(operations)
        pause = load.producers / load.jobs_a_second

        async def one() -> None:
            async with IndexQueue(self._url) as queue:
                while not (stop and stop.is_set()):
                    job = list(itertools.islice(left, dice.choice((1, 1, 1, load.most_in_a_bulk))))
                    if not job:
                        return
                    await self.submit(*job, persistent=dice.random() < load.persistent, queue=queue)
                    await asyncio.sleep(pause)

        await asyncio.gather(*(one() for _ in range(load.producers)))

    @asynccontextmanager
    async def under(self, load: Load, *, documents: int, place: str = "") -> AsyncIterator[None]:
        """The block runs under load: operations on so many documents are submitted until it ends."""
        async with self.submitting(stream(load.seed, documents=documents, place=place), load):
            yield

    @asynccontextmanager
    async def submitting(self, operations: Iterable[Operation], load: Load) -> AsyncIterator[None]:
        """As long as the block runs, these operations are submitted."""
        stop = asyncio.Event()
        work = asyncio.create_task(self.run(operations, load, stop))
        try:
            yield
        finally:
            stop.set()
            await work

    async def entered(self) -> int:
        """How many submits the ledger has, once it has every one that was enqueued before this call."""
        async with AsyncExitStack() as stack:
            for document in sorted(self._locks):
                await stack.enter_async_context(self._locks[document])
            return len(self.ledger.submits)

    async def _enqueue(
        self, queue: IndexQueue, operations: Sequence[Operation], persistent: bool
    ) -> tuple[State, str | None]:
        job = payload(operations, self._index)
        key = f"{self._index}{operations[0].place}-{operations[0].number}" if persistent else None
        for tries in itertools.count(1):
            try:
                handle = await queue.enqueue(job, idempotency_key=key)
                assert tries > 1 or not isinstance(handle, Duplicate), "a false duplicate"
                return State.OK, handle.id
            except InvalidJob:
                return State.FAILED, None
            except QueueUnavailable as error:
                if not persistent:
                    return State.FAILED if isinstance(error, QueueFull) else State.UNKNOWN, None
                await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError("itertools.count ends")
