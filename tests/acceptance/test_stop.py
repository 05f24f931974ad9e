"""Every way a worker ends: told to, in a burst, at a failed start. Nothing is lost, nothing is left open."""

import signal
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, JobStatus, Outcome

JOBS = 10_000


def content(n: int) -> dict[str, Any]:
    return {"n": n, "text": f"Document {n}. " * 20}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_the_middle_loses_nothing(
    start: Any,
    queue: IndexQueue,
    redis: Redis,
    prefix: str,
    reports: Any,
    jobs_done: Any,
    documents: Any,
    nothing_claimed: Any,
    left_open: Any,
    number: signal.Signals,
) -> None:
    handles = await queue.enqueue_many(
        IndexDocument(index=prefix, id=f"{n}", document=content(n)) for n in range(JOBS)
    )
    first = start()
    await jobs_done(500)

    assert await first.stop(number) == 0
    await nothing_claimed()
    done = [report for report in await queue.reports(handles) if report is not None]
    assert 500 <= len(done) < JOBS
    assert await redis.zcard("arq:queue") == JOBS - len(done)

    second = start()
    found = await reports(handles)

    assert {report.outcome for report in found} == {Outcome.CREATED}
    assert await documents(prefix) == {f"{n}": content(n) for n in range(JOBS)}
    assert await second.stop(number) == 0
    await nothing_claimed()
    assert left_open([first, second]) == []


async def test_a_burst_ends_when_the_queue_is_empty(
    start: Any, queue: IndexQueue, prefix: str, reports: Any, nothing_claimed: Any, left_open: Any
) -> None:
    handles = await queue.enqueue_many(
        IndexDocument(index=prefix, id=f"{n}", document=content(n)) for n in range(100)
    )

    worker = start("--burst")

    assert await worker.exit_code() == 0
    assert {report.outcome for report in await reports(handles, 0)} == {Outcome.CREATED}
    await nothing_claimed()
    assert left_open([worker]) == []


async def test_a_worker_without_redis_waits_and_can_be_stopped(
    start: Any, free_port: int, left_open: Any
) -> None:
    worker = start(env={"PENSTOCK_REDIS_URL": f"redis://:a-secret@127.0.0.1:{free_port}/0"})
    await worker.says("Redis does not answer")

    assert await worker.stop() == 0
    assert left_open([worker]) == []
    assert "a-secret" not in worker.output


async def test_a_worker_without_elasticsearch_waits_and_gives_its_jobs_back(
    start: Any, queue: IndexQueue, free_port: int, prefix: str, nothing_claimed: Any, left_open: Any
) -> None:
    handle = await queue.index(index=prefix, id="1", document=content(1))
    worker = start(env={"PENSTOCK_ELASTICSEARCH_URL": f"http://127.0.0.1:{free_port}"})
    await worker.says("are tried again in")

    assert await worker.stop() == 0
    assert await handle.status() is JobStatus.QUEUED
    await nothing_claimed()
    assert left_open([worker]) == []


async def test_a_hook_that_fails_at_the_start_ends_the_worker_with_the_reason(
    start: Any, tmp_path: Any, nothing_claimed: Any
) -> None:
    (tmp_path / "failing_start.py").write_text(
        "async def nothing(ctx): ...\n"
        "async def on_start(ctx): raise RuntimeError('no licence for today')\n"
        "class WorkerSettings:\n    functions = [nothing]\n    on_startup = on_start\n"
    )

    worker = start("failing_start.WorkerSettings", env={"PYTHONPATH": str(tmp_path)})

    assert await worker.exit_code() == 1
    assert "no licence for today" in worker.output
    assert "nclosed" not in worker.output
    await nothing_claimed()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"PENSTOCK_REDIS_URL": "http://localhost"}, "PENSTOCK_REDIS_URL: "),
        ({"PENSTOCK_BATCH_MAX_ACTIONS": "many"}, "PENSTOCK_BATCH_MAX_ACTIONS: "),
        ({"PENSTOCK_CONNECTIONS_PER_NODE": "1"}, "raise the first or lower the second"),
    ],
)
async def test_wrong_settings_are_told_in_one_line(start: Any, settings: dict[str, str], line: str) -> None:
    worker = start(env=settings)

    assert await worker.exit_code() == 2
    assert line in worker.output
    assert len(worker.output.splitlines()) == 1
