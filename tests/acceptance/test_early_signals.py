"""A worker that is told to stop before it has begun ends well, at whichever moment of its start."""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from jobs import IndexDocument, IndexQueue, JobStatus
from tests.processes import WorkerProcess, until

SECONDS = 2.0
MOMENTS = 6
AT_WORK = "works on arq:queue"


def listens(process: WorkerProcess) -> bool:
    """Whether the process has handlers of its own; Python's own start, before ours, is out of reach."""
    assert not process.ended, process.output
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def files_mapped(process: WorkerProcess) -> str:
    return Path(f"/proc/{process.pid}/maps").read_text()


async def listening(process: WorkerProcess) -> WorkerProcess:
    await until(lambda: listens(process), 30, lambda: "no handler within 30 s")
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "supervised"])
async def test_a_signal_at_a_random_moment_of_the_start_is_a_clean_end(
    start: Any,
    queue: IndexQueue,
    prefix: str,
    nothing_claimed: Any,
    left_open: Any,
    number: signal.Signals,
    options: tuple[str, ...],
) -> None:
    handles = await queue.enqueue_many(
        IndexDocument(index=prefix, id=f"{n}", document={"n": n}) for n in range(100)
    )
    seed = random.randrange(10**6)
    moments = [0.0, *(random.Random(seed).uniform(0, SECONDS) for _ in range(MOMENTS - 1))]

    for moment in moments:
        process = await listening(start(*options))
        await asyncio.sleep(moment)  # the moment is what is tested: nothing is waited for
        code = await process.stop(number)

        assert code == 0, f"{code} after {moment:.3f} s (seed {seed}):\n{process.output}"
        assert left_open([process]) == []
        await nothing_claimed()
    statuses = {await handle.status() for handle in handles}
    assert statuses <= {JobStatus.QUEUED, JobStatus.COMPLETE}


async def test_the_handlers_stand_before_the_imports(start: Any) -> None:
    """By the modules that are mapped by then: those of the client and of Redis come with the imports."""
    process = await listening(start())

    os.kill(process.pid, signal.SIGSTOP)
    mapped = files_mapped(process)
    process.send(signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)

    assert "uvloop" not in mapped
    assert "pydantic_core" not in mapped
    assert await process.exit_code() == 0
    assert process.output == ""


async def test_a_signal_again_and_again_during_the_end_changes_nothing(
    start: Any, nothing_claimed: Any
) -> None:
    process = await start().says(AT_WORK)

    async with asyncio.timeout(30):
        while not process.ended:
            process.send(signal.SIGTERM)
            await asyncio.sleep(0.001)

    assert await process.exit_code() == 0
    await nothing_claimed()
