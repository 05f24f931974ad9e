"""`penstock worker --processes 2`: signals are passed on, a killed child is replaced, none is orphaned."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, Outcome

JOBS = 10_000
AT_WORK = "works on arq:queue"
# What DESIGN.md promises: a killed worker's jobs run again within this time.
RECOVERY_SECONDS = 15.0


@pytest.fixture
async def eventually() -> Callable[..., Any]:
    """Waits until a condition comes true."""

    async def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def supervisor(start: Any, eventually: Any) -> Any:
    """A supervisor whose two children are at work."""
    process = start("--processes", "2")
    await eventually(lambda: process.output.count(AT_WORK) == 2)
    return process


def children(process: Any) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def payloads(index: str) -> list[IndexDocument]:
    return [IndexDocument(index=index, id=f"{n}", document={"n": n}) for n in range(JOBS)]


async def claimed_by(redis: Redis, child: psutil.Process) -> int:
    """The number of jobs that one process holds."""
    names = await redis.keys(f"penstock:arq:queue:claimed:*-{child.pid}-*")
    return sum([await redis.zcard(name) for name in names])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_passed_on_and_all_end_well(
    supervisor: Any,
    queue: IndexQueue,
    prefix: str,
    jobs_done: Any,
    nothing_claimed: Any,
    left_open: Any,
    number: signal.Signals,
) -> None:
    started = children(supervisor)
    handles = await queue.enqueue_many(payloads(prefix))
    await jobs_done(100)

    assert await supervisor.stop(number) == 0

    assert len(started) == 2
    assert not [child for child in started if child.is_running()]
    await nothing_claimed()
    statuses = {str(await handle.status()) for handle in handles[::100]}
    assert statuses <= {"queued", "complete"}
    assert left_open([supervisor]) == []


async def test_a_ctrl_c_in_a_terminal_reaches_each_child_once(
    supervisor: Any, queue: IndexQueue, prefix: str, jobs_done: Any, nothing_claimed: Any
) -> None:
    """A terminal signals its whole group. Told twice, a worker would hurry and wait for nothing."""
    await queue.enqueue_many(payloads(prefix))
    await jobs_done(100)

    os.killpg(supervisor.pid, signal.SIGINT)

    assert await supervisor.exit_code() == 0
    assert supervisor.output.count("SIGINT: stopping within 30 s") == 2
    assert "stopping within 0 s" not in supervisor.output
    await nothing_claimed()


async def test_a_burst_of_two_processes_ends_when_the_queue_is_empty(
    start: Any, queue: IndexQueue, prefix: str, reports: Any, nothing_claimed: Any
) -> None:
    handles = await queue.enqueue_many(payloads(prefix)[:500])

    process = start("--processes", "2", "--burst")

    assert await process.exit_code() == 0
    assert {report.outcome for report in await reports(handles, 0)} == {Outcome.CREATED}
    await nothing_claimed()


async def test_a_killed_child_is_replaced_and_its_jobs_are_done_by_others(
    supervisor: Any,
    queue: IndexQueue,
    redis: Redis,
    prefix: str,
    jobs_done: Any,
    reports: Any,
    documents: Any,
    eventually: Any,
) -> None:
    victim, other = children(supervisor)
    handles = await queue.enqueue_many(payloads(prefix))
    await jobs_done(100)
    while True:  # stopped before it is looked at, so that what it holds is what it takes along
        victim.suspend()
        if held := await claimed_by(redis, victim):
            break
        victim.resume()
    killed = asyncio.get_running_loop().time()
    victim.kill()

    found = await reports(handles, RECOVERY_SECONDS)

    assert held > 0
    assert asyncio.get_running_loop().time() - killed < RECOVERY_SECONDS
    # What the victim had written before it could report it was written again: the same content.
    assert {report.outcome for report in found} <= {Outcome.CREATED, Outcome.UPDATED}
    assert await documents(prefix) == {f"{n}": {"n": n} for n in range(JOBS)}
    await eventually(lambda: supervisor.output.count(AT_WORK) == 3)
    assert other in children(supervisor)
    assert len(children(supervisor)) == 2
    assert await supervisor.stop() == 0


async def test_children_of_a_killed_supervisor_end_by_themselves(
    supervisor: Any, eventually: Any, nothing_claimed: Any
) -> None:
    orphans = children(supervisor)

    psutil.Process(supervisor.pid).kill()
    await supervisor.exit_code()

    await eventually(lambda: not any(orphan.is_running() for orphan in orphans), 10)
    await nothing_claimed()
