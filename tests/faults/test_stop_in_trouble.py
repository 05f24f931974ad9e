"""SIGTERM wherever a worker can be when it comes: it exits with 0 in its time, and leaves nothing claimed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from jobs import keys
from tests.faults.harness import Harness
from tests.faults.operations import shuffled
from tests.faults.proxy import Hold, Side
from tests.faults.scripts import CLAIM, FINISH
from tests.faults.standin import Wrong
from tests.processes import until
from worker.scripts import script

GRACE_SECONDS = 3.0
# Beyond the grace period: one last try to give the jobs back, and the end of the process.
AFTERWARDS_SECONDS = 4.0
JOBS = 300
SETTINGS = {
    "PENSTOCK_GRACE_PERIOD_SECONDS": f"{GRACE_SECONDS}",
    "PENSTOCK_REQUEST_TIMEOUT_SECONDS": "2",
    "PENSTOCK_BATCH_MAX_ACTIONS": "100",
    "PENSTOCK_RETRY_INITIAL_SECONDS": "1",
}

_CLAIMS = (
    keys.claimed_prefix(keys.DEFAULT_QUEUE),
    keys.holders(keys.DEFAULT_QUEUE),
    keys.IN_PROGRESS_PREFIX,
    keys.workers(keys.DEFAULT_QUEUE),
)


async def claimed(redis: Redis) -> list[str]:
    """Traces of jobs in somebody's hands."""
    names = [name.decode() async for name in redis.scan_iter(count=10_000)]
    return [name for name in names if name.startswith(_CLAIMS)]


async def stopped_at(harness: Harness, reach: Callable[[], Awaitable[Callable[[], None]]]) -> None:
    """Stop a worker at a point, and let it go on from there; another one finishes the work.

    `reach` brings it there, and gives what lets it go on.
    """
    await harness.redis.script_load(script("claim"))
    await harness.producers.submit_together(shuffled(1, documents=60, operations=JOBS))
    worker = harness.fleet.launch(**SETTINGS)
    go_on = await reach()

    worker.send(signal.SIGTERM)
    await worker.says("SIGTERM: stopping")
    began = time.monotonic()
    go_on()
    harness.fleet.stopped.append(await worker.exit_code())

    assert time.monotonic() - began <= GRACE_SECONDS + AFTERWARDS_SECONDS
    assert harness.fleet.stopped == [0], worker.output


async def finished_by_another(harness: Harness) -> None:
    """Everything that was stopped is done, and right."""
    assert await claimed(harness.redis) == []
    harness.heal()
    await harness.fleet.start()
    await harness.verdict()


async def caught(hold: Hold) -> Callable[[], None]:
    await asyncio.wait_for(hold.caught.wait(), 20)
    return hold.release


async def test_while_it_fills_up(harness: Harness) -> None:
    hold = harness.redis_proxy.hold(Side.ANSWER, CLAIM)
    await stopped_at(harness, lambda: caught(hold))
    await finished_by_another(harness)


async def test_while_a_request_is_on_its_way(harness: Harness) -> None:
    hold = harness.elasticsearch_proxy.hold(Side.REQUEST, b"_bulk")
    await stopped_at(harness, lambda: caught(hold))
    await finished_by_another(harness)


async def test_while_reports_are_stored(harness: Harness) -> None:
    hold = harness.redis_proxy.hold(Side.ANSWER, FINISH)
    await harness.redis.script_load(script("finish"))
    await stopped_at(harness, lambda: caught(hold))
    await finished_by_another(harness)


async def test_while_it_backs_off(harness: Harness) -> None:
    stand_in = await harness.stand_in()
    stand_in.wrong = lambda body: Wrong.ITEMS_THROTTLED

    async def backs_off() -> Callable[[], None]:
        await harness.fleet.started[-1].says("are tried again in")
        return lambda: None

    await stopped_at(harness, backs_off)
    stand_in.wrong = lambda body: None
    await finished_by_another(harness)


async def test_while_the_breaker_is_open(harness: Harness) -> None:
    await harness.elasticsearch_proxy.refuse()

    async def is_away() -> Callable[[], None]:
        await harness.fleet.started[-1].says("Elasticsearch is away")
        return lambda: None

    await stopped_at(harness, is_away)
    await harness.elasticsearch_proxy.listen()
    await finished_by_another(harness)


async def test_while_redis_is_away(harness: Harness) -> None:
    hold = harness.elasticsearch_proxy.hold(Side.REQUEST, b"_bulk")

    async def has_lost_redis() -> Callable[[], None]:
        go_on = await caught(hold)
        await harness.redis_proxy.refuse()
        return go_on

    # Its reports can't be stored, nor its jobs given back
    await stopped_at(harness, has_lost_redis)
    await harness.redis_proxy.listen()
    await harness.fleet.start()

    # What it held comes back with the end of its lease
    await until(lambda: _one_worker(harness.redis), 20, lambda: "its lease has not ended")
    await harness.verdict()


async def _one_worker(redis: Redis) -> bool:
    return int(await redis.scard(keys.workers(keys.DEFAULT_QUEUE))) == 1
