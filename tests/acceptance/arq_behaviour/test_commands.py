"""The same service under `arq` and under `penstock worker`, as real processes."""

import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import JobStatus
from redis.asyncio import Redis

from jobs import JobFailed
from tests.acceptance.arq_behaviour.kinds import SECONDS, Kind, enqueue, result
from tests.acceptance.arq_behaviour.service import TOLD
from tests.processes import until

PACKAGE = "tests.acceptance.arq_behaviour"
COMMANDS = {
    Kind.STOCK: ("-m", "arq", f"{PACKAGE}.stock_service."),
    Kind.PENSTOCK: ("-m", "penstock", "worker", f"{PACKAGE}.service."),
}


@pytest.fixture
def serve(kind: Kind, start: Any) -> Callable[..., Any]:
    """Start the service by its command; `cls` names which of its classes."""

    def run(*options: str, cls: str = "Service") -> Any:
        *command, module = COMMANDS[kind]
        return start(*options, command=(*command, module + cls), env={"PENSTOCK_POLL_SECONDS": "0.05"})

    return run


async def told(redis: Redis) -> list[str]:
    """What the process has told so far."""
    return [word.decode() for word in await redis.lrange(TOLD, 0, -1)]


async def tells(redis: Redis, word: str, process: Any) -> None:
    """Waits for a word of the process."""

    async def has_told() -> bool:
        return word in await told(redis)

    await until(has_told, SECONDS, lambda: f"no {word!r}; its output:\n{process.output}")


async def test_a_service_runs_from_its_start_to_a_signal(
    serve: Any, pool: ArqRedis, redis: Redis, prefix: str, left_open: Any, kind: Kind
) -> None:
    process = serve()
    await tells(redis, "on_startup", process)
    jobs = {
        name: await enqueue(pool, name, _job_id=name) for name in ("third_time", "breaks", "waits_shortly")
    }
    added = await enqueue(pool, "add", 1, second=2, _job_id="add")
    deferred = await enqueue(pool, "add", 3, second=4, _job_id="deferred", _defer_by=1)
    assert await deferred.status() is JobStatus.deferred
    written = await enqueue(pool, "index", index=prefix, id="1", document={}, _job_id="written")

    assert await result(added) == 3
    assert await result(jobs["third_time"]) == 3
    with pytest.raises(JobFailed, match="ValueError: the reason"):
        await result(jobs["breaks"])
    with pytest.raises(JobFailed, match="TimeoutError"):
        await result(jobs["waits_shortly"])
    assert (await result(written))["outcome"] == "created"
    assert await result(deferred) == 7
    assert await pool.enqueue_job("add", 1, second=2, _job_id="add") is None
    await tells(redis, "after_job_end deferred", process)

    assert await _told_until_it_ends(process) == 0

    words = await told(redis)
    hooks = ["on_job_start", "on_job_end", "after_job_end"]
    assert (words[0], words[-1]) == ("on_startup", "on_shutdown")
    for job, tries in {"add": 1, "third_time": 3, "breaks": 1, "deferred": 1}.items():
        assert [word for word in words if word.endswith(f" {job}")] == [f"{h} {job}" for h in hooks] * tries
    assert [line for line in left_open([process]) if "nclosed" in line] == []
    assert await redis.keys("arq:in-progress:*") == []


async def test_jobs_of_a_service_are_aborted(serve: Any, pool: ArqRedis, redis: Redis) -> None:
    process = serve()
    running = await enqueue(pool, "waits", _job_id="running")
    deferred = await enqueue(pool, "add", 1, second=2, _defer_by=3600)
    await tells(redis, "waits running", process)

    assert await running.abort(timeout=SECONDS, poll_delay=0.01)
    assert await deferred.abort(timeout=SECONDS, poll_delay=0.01)
    assert await _told_until_it_ends(process) == 0


async def test_cron_jobs_of_a_service_run(serve: Any, redis: Redis) -> None:
    process = serve(cls="ServiceWithCron")

    await until(lambda: _nights(redis, 3), SECONDS, lambda: f"its output:\n{process.output}")

    assert await _told_until_it_ends(process) == 0


async def _told_until_it_ends(process: Any) -> int:
    """The exit code. arq's own worker can lose a signal that comes as a call to Redis ends: before Python
    3.12 `asyncio.wait_for` swallows the cancel."""
    while True:
        process.send(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return int(await process.exit_code(10.0))


async def _nights(redis: Redis, number: int) -> bool:
    return (await told(redis)).count("nightly") >= number


async def test_a_burst_of_a_service_ends_by_itself(
    serve: Any, pool: ArqRedis, redis: Redis, prefix: str
) -> None:
    jobs = [await enqueue(pool, "add", n, second=n) for n in range(20)]
    jobs.append(await enqueue(pool, "third_time"))
    written = await enqueue(pool, "index", index=prefix, id="1", document={})

    process = serve("--burst")

    assert await process.exit_code() == 0
    assert [await result(job) for job in jobs] == [*range(0, 40, 2), 3]
    assert (await result(written))["outcome"] == "created"
    assert (await told(redis))[-1] == "on_shutdown"
