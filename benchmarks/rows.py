"""The measurements. Each gives a rate (per second) or a time (ms) of one round on one place."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import aiohttp
import orjson
from arq import create_pool

from jobs import BulkWrite, IndexDocument, IndexQueue, deserialize, serialize
from settings import load
from worker.redis_client import arq_redis_settings

from .place import Place

T = TypeVar("T")
Pairs = Sequence[tuple[str, dict[str, Any]]]

REQUEST_DOCUMENTS = 500
_RAW_CONNECTIONS = 2
_STOCK = ("arq", "benchmarks.stock.Stock")
_PENSTOCK = ("penstock", "worker")


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive slices of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


async def raw_bulk(place: Place, pairs: Pairs) -> float:
    """Elasticsearch's own limit here: prebuilt bodies, two connections, the answers thrown away."""
    async with place.index() as index:
        bodies = [_body(index, part) for part in slices(pairs, REQUEST_DOCUMENTS)]
        started = time.perf_counter()
        async with aiohttp.ClientSession(headers={"Content-Type": "application/x-ndjson"}) as session:
            waiting = iter(bodies)
            await asyncio.gather(*(_post_all(session, place, waiting) for _ in range(_RAW_CONNECTIONS)))
        return len(pairs) / (time.perf_counter() - started)


async def _post_all(session: aiohttp.ClientSession, place: Place, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        async with session.post(f"{place.elasticsearch_url}/_bulk", data=body) as answer:
            answer.raise_for_status()
            await answer.read()


def _body(index: str, pairs: Pairs) -> bytes:
    lines = []
    for id, document in pairs:
        lines += [orjson.dumps({"index": {"_index": index, "_id": id}}), orjson.dumps(document)]
    return b"\n".join(lines) + b"\n"


async def single_jobs(place: Place, pairs: Pairs, processes: int = 1) -> float:
    """One job a document, from the first enqueue to the last report."""
    name = place.queue()
    async with (
        place.index() as index,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.workers([*_PENSTOCK, "--queue", name], processes),
    ):
        await _warm(queue, index)
        started = time.perf_counter()
        await queue.enqueue_many(IndexDocument(index=index, id=id, document=d) for id, d in pairs)
        await place.until_ended(name, len(pairs) + 1)
        return len(pairs) / (time.perf_counter() - started)


async def bulk_jobs(place: Place, pairs: Pairs, size: int = REQUEST_DOCUMENTS) -> float:
    """Jobs of many documents; documents a second."""
    name = place.queue()
    async with (
        place.index() as index,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.workers([*_PENSTOCK, "--queue", name]),
    ):
        await _warm(queue, index)
        parts = list(slices(pairs, size))
        started = time.perf_counter()
        await queue.enqueue_many(_bulk(index, part) for part in parts)
        await place.until_ended(name, len(parts) + 1)
        return len(pairs) / (time.perf_counter() - started)


def _bulk(index: str, pairs: Pairs) -> BulkWrite:
    actions = tuple(IndexDocument(index=index, id=id, document=document) for id, document in pairs)
    return BulkWrite(index=index, actions=actions)


async def _warm(queue: IndexQueue, index: str) -> None:
    """Wait until the worker is there: one job through it."""
    await (await queue.index(index=index, id="warm-up", document={"name": "warm-up"})).result(timeout=60)


async def stock_index(place: Place, pairs: Pairs) -> float:
    """Stock arq with one `es.index` a job, enqueued by gathered `enqueue_job`."""
    name = place.queue()
    async with place.index() as index, place.workers(_STOCK, PENSTOCK_QUEUE=name):
        jobs = [{"index": index, "id": id, "document": document} for id, document in pairs]
        return await _stock_rate(place, name, "index_one", jobs)


async def stock_noop(place: Place, count: int) -> float:
    """No-op jobs a second of stock arq."""
    name = place.queue()
    async with place.workers(_STOCK, PENSTOCK_QUEUE=name):
        return await _stock_rate(place, name, "noop", [{"n": n} for n in range(count)])


async def penstock_noop(place: Place, count: int) -> float:
    """The same no-op function beside Penstock's own jobs; enqueued before the clock runs, as for arq."""
    name = place.queue()
    pool = await _arq_pool(place, name)
    await _gathered(pool, "noop", [{"n": n} for n in range(count)])
    async with place.workers([*_PENSTOCK, "benchmarks.stock.Noop", "--queue", name]):
        await place.until_ended(name, 1)
        there = await place.count(name)
        started = time.perf_counter()
        await place.until_ended(name, count)
        rate = (count - there) / (time.perf_counter() - started)
    await pool.aclose()
    return rate


async def _stock_rate(place: Place, name: str, function: str, jobs: Sequence[dict[str, Any]]) -> float:
    pool = await _arq_pool(place, name)
    warm = await pool.enqueue_job("noop")
    assert warm is not None
    await warm.result(timeout=60, poll_delay=0.05)
    started = time.perf_counter()
    await _gathered(pool, function, jobs)
    await place.until_gone(name)
    rate = len(jobs) / (time.perf_counter() - started)
    await pool.aclose()
    return rate


async def _arq_pool(place: Place, name: str) -> Any:
    settings = load({"PENSTOCK_REDIS_URL": place.redis_url})
    return await create_pool(
        arq_redis_settings(settings),
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=name,
    )


async def _gathered(pool: Any, function: str, jobs: Sequence[dict[str, Any]]) -> None:
    for part in slices(jobs, 100):
        await asyncio.gather(*(pool.enqueue_job(function, **job) for job in part))


async def enqueue_gathered(place: Place, pairs: Pairs) -> float:
    """Jobs a second by `enqueue_job`, a hundred at a time."""
    name = place.queue()
    pool = await _arq_pool(place, name)
    started = time.perf_counter()
    await _gathered(pool, "index", [{"index": "bench", "id": id, "document": d} for id, d in pairs])
    rate = len(pairs) / (time.perf_counter() - started)
    await pool.aclose()
    await _forget(place, name)
    return rate


async def enqueue_many(place: Place, pairs: Pairs) -> float:
    """Jobs a second by `IndexQueue.enqueue_many`, validation included."""
    name = place.queue()
    async with IndexQueue(place.redis_url, queue=name) as queue:
        started = time.perf_counter()
        await queue.enqueue_many(IndexDocument(index="bench", id=id, document=d) for id, d in pairs)
        rate = len(pairs) / (time.perf_counter() - started)
    await _forget(place, name)
    return rate


async def _forget(place: Place, name: str) -> None:
    """Remove what nobody will work on, so that the next round finds the same Redis."""
    ids = await place.redis.zrange(name, 0, -1)
    for part in slices(ids, 1000):
        await place.redis.unlink(*[b"arq:job:" + id for id in part])
    await place.redis.unlink(name)


async def lone_direct(place: Place, pairs: Pairs) -> float:
    """Median ms of one `es.index` call after another."""
    async with place.index() as index:
        return await _median_ms(
            [
                lambda i=id, d=doc: place.elasticsearch.index(index=index, id=i, document=d)
                for id, doc in pairs
            ]
        )


async def lone_job(place: Place, pairs: Pairs) -> float:
    """Median ms of one job after another, from its enqueue to its report."""
    name = place.queue()
    async with (
        place.index() as index,
        IndexQueue(place.redis_url, queue=name) as queue,
        place.workers([*_PENSTOCK, "--queue", name]),
    ):
        await _warm(queue, index)

        async def one(id: str, document: dict[str, Any]) -> None:
            await (await queue.index(index=index, id=id, document=document)).result(timeout=30)

        return await _median_ms([lambda i=id, d=doc: one(i, d) for id, doc in pairs])


async def _median_ms(calls: Sequence[Any]) -> float:
    times = []
    for call in calls:
        started = time.perf_counter()
        await call()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
