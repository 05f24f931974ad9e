"""A worker does not start on a Redis that can lose its jobs, unless it is told to."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from embedded.ports import HOST
from embedded.redis_server import RedisServer, find_program, start_redis
from jobs import IndexDocument, IndexQueue, Outcome

AT_WORK = "works on arq:queue"


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that these tests may configure."""
    with start_redis() as server:
        yield server


@pytest.fixture
async def configured(own_redis: RedisServer) -> Any:
    """Configure that Redis; it is as safe as before after the test."""
    async with Redis.from_url(own_redis.url) as redis:

        async def configure(**values: str) -> dict[str, str]:
            for name, value in values.items():
                await redis.config_set(name.replace("_", "-"), value)
            return {"PENSTOCK_REDIS_URL": own_redis.url}

        yield configure
        await redis.config_set("appendonly", "yes")
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", "0")
        await redis.flushall()


@pytest.fixture
def start_plain(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a Redis as it is shipped, without an append-only file; its URL."""
    started: list[subprocess.Popen[bytes]] = []

    def run(port: int, *options: str) -> str:
        program = str(find_program(os.environ))
        place = ("--port", str(port), "--bind", HOST, "--dir", str(tmp_path))
        with (tmp_path / "redis.log").open("wb") as log:
            started.append(subprocess.Popen([program, *place, *options], stdout=log, stderr=log))
        return f"redis://{HOST}:{port}/0"

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("unsafe", "told"),
    [
        ({"appendonly": "no"}, "got appendonly no"),
        ({"maxmemory_policy": "allkeys-lru"}, "got allkeys-lru"),
        ({"maxmemory_policy": "volatile-lru"}, "got volatile-lru"),
    ],
)
async def test_a_redis_that_can_lose_jobs_is_refused_in_one_line(
    start: Any, configured: Any, left_open: Any, unsafe: dict[str, str], told: str
) -> None:
    worker = start(env=await configured(**unsafe))

    assert await worker.exit_code() == 2
    (line,) = worker.output.splitlines()
    assert "the worker does not start: PENSTOCK_REDIS_URL: expected " in line
    assert told in line
    assert "CONFIG SET" in line
    assert "PENSTOCK_ALLOW_UNSAFE_REDIS=true" in line


async def test_both_faults_are_told_at_once(start: Any, configured: Any) -> None:
    worker = start(env=await configured(appendonly="no", maxmemory_policy="allkeys-lru"))

    assert await worker.exit_code() == 2
    assert len(worker.output.splitlines()) == 2


async def test_several_processes_are_refused_as_one_is(start: Any, configured: Any) -> None:
    supervisor = start("--processes", "3", env=await configured(appendonly="no"))

    assert await supervisor.exit_code() == 2
    assert AT_WORK not in supervisor.output


async def test_no_hook_is_called_of_a_worker_that_is_refused(
    start: Any, configured: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooked.py").write_text(
        "async def nothing(ctx): ...\n"
        "async def began(ctx): print('on_startup was called')\n"
        "async def ended(ctx): print('on_shutdown was called')\n"
        "class WorkerSettings:\n    functions, on_startup, on_shutdown = [nothing], began, ended\n"
    )
    hooks = {"PYTHONPATH": str(tmp_path)}

    worker = start("hooked.WorkerSettings", env=hooks | await configured(appendonly="no"))
    assert await worker.exit_code() == 2
    allowed = start("hooked.WorkerSettings", env=hooks | await configured(appendonly="yes"))
    await allowed.says("on_startup was called")
    assert await allowed.stop() == 0

    assert "was called" not in worker.output
    assert "on_shutdown was called" in allowed.output


async def test_it_starts_all_the_same_where_it_is_told_to(
    start: Any, configured: Any, own_redis: RedisServer, prefix: str, left_open: Any
) -> None:
    environment = await configured(appendonly="no", maxmemory_policy="allkeys-lru")
    worker = start(env=environment | {"PENSTOCK_ALLOW_UNSAFE_REDIS": "true"})
    async with IndexQueue(own_redis.url) as queue:
        handle = await queue.enqueue(IndexDocument(index=prefix, id="1", document={}))

        assert (await handle.result(timeout=60)).outcome is Outcome.CREATED
    assert worker.output.count("allowed by the settings: PENSTOCK_REDIS_URL") == 2
    assert await worker.stop() == 0
    assert left_open([worker]) == []


async def test_a_full_redis_can_still_be_drained(start: Any, configured: Any) -> None:
    """It takes no mark of the worker that starts."""
    worker = start(env=await configured(maxmemory="1"))

    await worker.says(AT_WORK)
    assert "tried again" not in worker.output
    assert await worker.stop() == 0


async def test_a_user_who_may_not_ask_is_warned_and_starts(
    start: Any, own_redis: RedisServer, configured: Any
) -> None:
    await configured()
    async with Redis.from_url(own_redis.url) as redis:
        await redis.acl_setuser(
            "plain", enabled=True, passwords=["+word"], categories=["+@all"], commands=["-info"], keys=["*"],
            channels=["*"],
        )  # fmt: skip
    worker = start(env={"PENSTOCK_REDIS_URL": own_redis.url.replace("//", "//plain:word@")})

    await worker.says(AT_WORK)
    assert "Redis does not let this user ask for INFO" in worker.output
    assert "no aof_enabled and no maxmemory_policy in INFO" in worker.output
    assert await worker.stop() == 0


async def test_a_cluster_is_refused_whatever_is_allowed(start: Any, start_plain: Any, free_port: int) -> None:
    url = start_plain(free_port, "--cluster-enabled", "yes")

    worker = start(env={"PENSTOCK_REDIS_URL": url, "PENSTOCK_ALLOW_UNSAFE_REDIS": "true"})

    assert await worker.exit_code() == 2
    assert "expected a single Redis, got a Redis Cluster" in worker.output


async def test_a_redis_that_comes_later_is_checked_then(start: Any, start_plain: Any, free_port: int) -> None:
    worker = start(env={"PENSTOCK_REDIS_URL": f"redis://{HOST}:{free_port}/0"})
    await worker.says("Redis does not answer")

    start_plain(free_port)

    assert await worker.exit_code() == 2
    assert "got appendonly no" in worker.output


async def test_sources_that_can_not_be_loaded_are_refused_in_one_line(start: Any, redis_url: str) -> None:
    worker = start(env={"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_SOURCES": "no_such_module:registry"})

    assert await worker.exit_code() == 2
    (line,) = worker.output.splitlines()
    assert line.endswith(
        "the worker does not start: PENSTOCK_SOURCES: expected package.module:registry, got "
        "'no_such_module:registry': ModuleNotFoundError: No module named 'no_such_module'"
    )
