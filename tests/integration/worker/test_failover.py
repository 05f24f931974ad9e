"""A failover that drops no connection: the old primary is a replica now, its address leads to the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from embedded import RedisServer, start_redis
from jobs import (
    Enqueued,
    IndexDocument,
    IndexQueue,
    Outcome,
    QueueUnavailable,
    deserialize,
    keys,
    serialize,
)
from settings import Settings
from tests.faults.proxy import HOST, Side, TcpProxy
from worker.redis_client import redis_pool

GOOD = IndexDocument(index="products", id="42", document={})
SECONDS = 20.0


class Failover:
    """Two servers, of which the second replicates the first, and the address of the primary."""

    def __init__(self, old: RedisServer, new: RedisServer, proxy: TcpProxy) -> None:
        self.proxy = proxy
        self._ports = (old.port, new.port)
        self.old, self.new = Redis.from_url(old.url), Redis.from_url(new.url)

    async def begin(self) -> None:
        for server in (self.new, self.old):
            await server.replicaof("NO", "ONE")
            await server.flushall()
            await server.config_set("repl-diskless-sync-delay", 0)
        await self.new.replicaof(HOST, str(self._ports[0]))
        await until(self.replicated)

    async def demote(self) -> None:
        """Make the first one the replica of the second; the address leads to the first one still."""
        await until(self.replicated)
        await self.new.replicaof("NO", "ONE")
        await self.old.replicaof(HOST, str(self._ports[1]))

    async def happen(self) -> None:
        """`demote`, and have new connections, and no old one, lead to the second."""
        await self.demote()
        self.proxy.upstream = self._ports[1]

    async def is_followed(self) -> bool:
        """Whether the first server has all that the second one has."""
        return bool((await self.old.info("replication")).get("master_link_status") == "up")

    async def replicated(self) -> bool:
        """Whether the second server has all that the first one has."""
        told, known = await self.old.info("replication"), await self.new.info("replication")
        is_up = known.get("master_link_status") == "up"
        return bool(is_up and known["slave_repl_offset"] == told["master_repl_offset"])

    async def close(self) -> None:
        await self.old.aclose()
        await self.new.aclose()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110  # Redis tells nobody of it
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def two_servers() -> Iterator[tuple[RedisServer, RedisServer]]:
    with start_redis() as old, start_redis() as new:
        yield old, new


@pytest.fixture
async def failover(two_servers: tuple[RedisServer, RedisServer]) -> AsyncIterator[Failover]:
    proxy = TcpProxy(two_servers[0].port)
    await proxy.listen()
    failover = Failover(*two_servers, proxy)
    await failover.begin()
    yield failover
    await failover.close()
    await proxy.refuse()


@pytest.fixture
def redis_url(failover: Failover) -> str:
    """The address of the primary, for all that asks for a Redis."""
    return f"redis://{HOST}:{failover.proxy.port}/0"


@pytest.fixture
async def worker_redis(settings: Settings) -> AsyncIterator[Any]:
    """A worker's client, connected."""
    client = redis_pool(settings)
    await client.ping()
    yield client
    await client.aclose(close_connection_pool=True)


async def test_a_worker_and_who_waits_go_on_at_the_new_primary(
    failover: Failover, queue: IndexQueue, start_worker: Any, prefix: str, report: Any
) -> None:
    await start_worker()
    first = await report(await queue.index(index=prefix, id="1", document={"n": 1}))

    await failover.happen()
    second = await report(await queue.index(index=prefix, id="1", document={"n": 2}))

    assert (first.outcome, second.outcome) == (Outcome.CREATED, Outcome.UPDATED)
    assert await failover.new.zcard(keys.DEFAULT_QUEUE) == 0


async def test_who_has_waited_at_the_old_primary_gets_the_report_of_the_new_one(
    failover: Failover, queue: IndexQueue, start_worker: Any, prefix: str
) -> None:
    handle = await queue.index(index=prefix, id="1", document={})
    waiting = asyncio.create_task(handle.result(timeout=SECONDS))
    await until(lambda: failover.old.hexists(keys.awaited(keys.DEFAULT_QUEUE), handle.id))  # type: ignore[arg-type, return-value]

    await failover.happen()
    await start_worker()

    assert (await waiting).outcome is Outcome.CREATED


async def test_a_producer_that_enqueued_at_the_old_primary_enqueues_at_the_new_one(
    failover: Failover, queue: IndexQueue
) -> None:
    await queue.enqueue(GOOD)
    await failover.happen()

    handles = [await queue.enqueue(GOOD), *await queue.enqueue_many([GOOD])]

    assert all(type(handle) is Enqueued for handle in handles)
    assert await failover.new.zcard(keys.DEFAULT_QUEUE) == 3


async def test_no_new_primary_is_an_error_after_a_few_tries(failover: Failover, queue: IndexQueue) -> None:
    await queue.enqueue(GOOD)
    await failover.demote()
    before = len(failover.proxy.accepted)

    with pytest.raises(QueueUnavailable, match="read only replica"):
        await queue.enqueue(GOOD)

    assert 1 <= len(failover.proxy.accepted) - before <= 5


@pytest.mark.parametrize("transaction", [True, False])
async def test_a_pipeline_is_repeated_as_a_whole_at_the_new_primary(
    failover: Failover, worker_redis: Any, transaction: bool
) -> None:
    script = await worker_redis.script_load("return redis.call('INCR', KEYS[1])")
    await until(failover.replicated)
    await failover.new.script_load("return redis.call('INCR', KEYS[1])")
    await failover.happen()

    for write in (("INCR", "n"), ("EVALSHA", script, 1, "n")):
        async with worker_redis.pipeline(transaction=transaction) as pipe:
            pipe.get("n").execute_command(*write)
            _, number = await pipe.execute()

    assert number == 2


async def test_a_script_alone_in_a_transaction_is_run_at_the_new_primary(
    failover: Failover, worker_redis: Any
) -> None:
    script = await failover.new.script_load("return redis.call('INCR', KEYS[1])")
    await worker_redis.script_load("return redis.call('INCR', KEYS[1])")
    await failover.happen()

    async with worker_redis.pipeline(transaction=True) as pipe:
        pipe.evalsha(script, 1, "n")
        assert await pipe.execute() == [1]


async def test_what_is_never_repeated_fails_once_as_on_a_lost_connection(
    failover: Failover, settings: Settings
) -> None:
    async with aclosing(redis_pool(settings, repeat=False).connection_pool) as connections:
        client = Redis(connection_pool=connections)
        await client.set("n", 0)
        await failover.happen()

        with pytest.raises(RedisConnectionError, match="read only replica"):
            await client.incr("n")
        assert await client.incr("n") == 1


async def test_arqs_own_worker_begins_with_a_job_at_the_new_primary(
    failover: Failover, worker_redis: Any
) -> None:
    async def add(ctx: dict[str, Any], number: int) -> int:
        return number + 1

    job = await worker_redis.enqueue_job("add", 1)
    serializers = {"job_serializer": serialize, "job_deserializer": deserialize}
    worker = Worker(
        [func(add, name="add")], redis_pool=worker_redis, burst=True, handle_signals=False, **serializers
    )
    await failover.happen()
    await until(failover.is_followed)

    await worker.async_run()

    assert await failover.new.exists(f"arq:result:{job.job_id}")


async def test_a_function_that_enqueues_by_arq_is_told_that_nothing_was_stored(
    failover: Failover, worker_redis: Any
) -> None:
    # Given a failover after the look for a job of this name: None would mean that there is one
    await failover.happen()

    with pytest.raises(RedisConnectionError, match="read only replica"):
        await worker_redis.enqueue_job("f", _job_id="a")
    assert await failover.new.zcard(keys.DEFAULT_QUEUE) == 0

    assert (await worker_redis.enqueue_job("f", _job_id="a")).job_id == "a"
    assert await worker_redis.enqueue_job("f", _job_id="a") is None
    assert await failover.new.zcard(keys.DEFAULT_QUEUE) == 1


async def test_so_is_one_whose_connection_is_cut(failover: Failover, worker_redis: Any) -> None:
    with (
        failover.proxy.cutting(1, Side.REQUEST, b"PSETEX"),
        pytest.raises(RedisConnectionError),
    ):
        await worker_redis.enqueue_job("f", _job_id="a")

    assert (await worker_redis.enqueue_job("f", _job_id="a")).job_id == "a"
