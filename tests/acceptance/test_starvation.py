"""Long functions and writes share a worker: neither waits until the other is done."""

import asyncio
from datetime import datetime
from typing import Any

from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import func

from jobs import IndexDocument, IndexQueue, JobHandle, Outcome, deserialize
from settings import Settings
from tests.acceptance.arq_behaviour.kinds import Kind, enqueue, make_worker, result, working

MOST_FUNCTIONS = 5
# More than one claim looks at: what finds no free slot stays at the head of the queue.
LONG_FUNCTIONS = 3000
WRITES = 500


async def enqueue_long(pool: ArqRedis, number: int) -> None:
    """Jobs of the function `holds`, a part at a time: each takes a connection."""
    for first in range(0, number, 50):
        await asyncio.gather(*(enqueue(pool, "holds", _job_id=f"holds-{first + n}") for n in range(50)))


async def test_writes_end_while_long_functions_hold_every_slot_and_thousands_more_wait(
    pool: ArqRedis, queue: IndexQueue, settings: Settings, prefix: str, reports: Any
) -> None:
    # Given more long functions than there are slots, at the head of the queue, and writes behind them
    running: set[str] = set()
    go_on = asyncio.Event()

    async def holds(ctx: dict[str, Any]) -> None:
        running.add(ctx["job_id"])
        await go_on.wait()

    await enqueue_long(pool, LONG_FUNCTIONS)
    payloads = [IndexDocument(index=prefix, id=f"{n}", document={"n": n}) for n in range(WRITES)]
    handles = await queue.enqueue_many(payloads)
    plain = await enqueue(pool, "index", index=prefix, id="plain", document={})
    worker = make_worker(
        Kind.PENSTOCK, settings, functions=[func(holds, name="holds")], max_jobs=MOST_FUNCTIONS
    )

    # When a worker takes them
    async with working(worker):
        try:
            found = await reports(handles)
            written = await result(plain)
            held = set(running)
        finally:
            go_on.set()
            await pool.delete("arq:queue")  # the other functions need not run

    # Then every write has ended, and not one of the functions
    assert {report.outcome for report in found} == {Outcome.CREATED}
    assert written["outcome"] == "created"
    assert len(held) == MOST_FUNCTIONS


async def test_a_short_function_waits_for_no_more_writes_than_a_worker_holds(
    pool: ArqRedis, queue: IndexQueue, settings: Settings, prefix: str, reports: Any
) -> None:
    # Given 10,000 writes, a short function after every 500th of them
    async def short(ctx: dict[str, Any]) -> None: ...

    writes: list[JobHandle] = []
    functions: list[tuple[int, Job]] = []
    for first in range(0, 10_000, 500):
        ids = range(first, first + 500)
        payloads = [IndexDocument(index=prefix, id=f"{n}", document={"n": n}) for n in ids]
        writes += await queue.enqueue_many(payloads)
        functions.append((len(writes), await enqueue(pool, "short")))

    # When a worker takes them
    async with working(make_worker(Kind.PENSTOCK, settings, functions=[func(short, name="short")])):
        await reports(writes)
        for _, job in functions:
            await result(job)

    # Then each function has ended before the write that is as far behind it as a worker claims at most,
    # and the last function before the last write
    for place, job in functions:
        later = writes[min(place + settings.max_claimed_jobs, len(writes)) - 1]
        assert await end_of(pool, job.job_id) <= await end_of(pool, later.id), place


async def end_of(pool: ArqRedis, job_id: str) -> datetime:
    """When a job ended, by its worker's clock."""
    info = await Job(job_id, pool, _deserializer=deserialize).result_info()
    assert info is not None
    return info.finish_time
