"""What the demo reads from Redis: that the workers are there, and every job's report."""

import asyncio
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from examples.demo.checks import Receipt
from examples.demo.errors import DoesNotAddUp
from jobs import IndexQueue, Report
from jobs.overview import look

POLL_SECONDS = 0.05
REPORTS_PER_CALL = 1_000
WORKERS_TIMEOUT_SECONDS = 30
# Counted from the last job that got done: indexing as a whole may take as long as the machine needs.
STANDSTILL_SECONDS = 60


async def wait_for_workers(redis: Redis, queue: str, count: int, check_alive: Callable[[], None]) -> None:
    """Until `count` workers have given a sign of life on the queue. Raises DoesNotAddUp after 30 s."""
    deadline = time.monotonic() + WORKERS_TIMEOUT_SECONDS
    while sum(worker.alive for worker in (await look(redis, queue)).workers) < count:
        check_alive()
        if time.monotonic() > deadline:
            raise DoesNotAddUp(f"expected {count} workers at work within {WORKERS_TIMEOUT_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_reports(
    queue: IndexQueue,
    receipts: Sequence[Receipt],
    on_done: Callable[[int], None],
    check_alive: Callable[[], None],
) -> dict[str, Report]:
    """Job id to report, once every job has one; `on_done` gets their number meanwhile.

    Each report is read once: what is asked for again is only what had none yet.
    Raises DoesNotAddUp when no job has got done for 60 s.
    """
    reports: dict[str, Report] = {}
    waiting = [receipt.job for receipt in receipts]
    last_change = time.monotonic()
    while waiting:
        asked, rest = waiting[:REPORTS_PER_CALL], waiting[REPORTS_PER_CALL:]
        answers = await queue.reports(queue.job(job) for job in asked)
        found = {job: report for job, report in zip(asked, answers, strict=True) if report is not None}
        if found:
            last_change = time.monotonic()
            reports |= found
            on_done(len(reports))
            waiting = [job for job in asked if job not in found] + rest
            continue
        check_alive()
        if time.monotonic() - last_change > STANDSTILL_SECONDS:
            raise DoesNotAddUp(
                f"{len(reports)} of {len(receipts)} jobs done, none more for {STANDSTILL_SECONDS} s"
            )
        await asyncio.sleep(POLL_SECONDS)
    return reports
