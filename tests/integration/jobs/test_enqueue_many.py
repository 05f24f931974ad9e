"""Many payloads: any iterable, in their order, hundreds a round trip, and an account of how far it got."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Protocol

import pytest
from redis.asyncio import Redis

from jobs import IndexDocument, IndexQueue, InvalidJob, JobHandle, Payload, QueueUnavailable, keys


class Proxy(Protocol):
    """What these tests ask of the proxy in conftest.py."""

    requests_to_cut: int


def document(n: int, **members: Any) -> IndexDocument:
    return IndexDocument(index="products", id=str(n), document={"n": n} | members)


def generated(count: int) -> Iterator[Payload]:
    yield from (document(n) for n in range(count))


async def streamed(count: int) -> AsyncIterator[Payload]:
    for n in range(count):
        yield document(n)


def listed(count: int) -> list[Payload]:
    return list(generated(count))


async def queued(redis: Redis) -> list[str]:
    return [id.decode() for id in await redis.zrange(keys.DEFAULT_QUEUE, 0, -1)]


def ids(handles: Iterable[JobHandle]) -> list[str]:
    return [handle.id for handle in handles]


@pytest.mark.parametrize("make", [listed, generated, streamed])
async def test_any_iterable_is_enqueued_in_its_order(
    redis: Redis, queue: IndexQueue, make: Callable[[int], Any]
) -> None:
    handles = await queue.enqueue_many(make(1_234))

    assert len(handles) == 1_234
    assert await queued(redis) == ids(handles)
    last = await redis.get(keys.JOB_PREFIX + handles[-1].id)
    assert b'"n":1233' in last


@pytest.mark.parametrize("make", [listed, generated, streamed])
async def test_nothing_to_enqueue_is_nothing_in_redis(
    redis: Redis, queue: IndexQueue, make: Callable[[int], Any]
) -> None:
    assert await queue.enqueue_many(make(0)) == []
    assert await redis.dbsize() == 0


async def test_ten_thousand_take_a_few_round_trips_and_tell_their_progress(
    redis: Redis, queue: IndexQueue
) -> None:
    await redis.config_resetstat()
    progress: list[int] = []

    handles = await queue.enqueue_many(generated(10_000), progress=progress.append)

    assert len(set(ids(handles))) == 10_000
    assert await redis.zcard(keys.DEFAULT_QUEUE) == 10_000
    assert progress == sorted(set(progress))
    assert progress[-1] == 10_000
    stats = await redis.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] <= 10_000 / 100


async def test_large_documents_are_cut_into_calls_by_their_size(queue: IndexQueue) -> None:
    progress: list[int] = []

    await queue.enqueue_many((document(n, text="x" * 300_000) for n in range(10)), progress=progress.append)

    assert len(progress) >= 3
    assert progress[-1] == 10


def stuck(n: int) -> IndexDocument:
    """A payload that passes its own check and is found bad only as it is encoded."""
    return document(n, name="\ud800")


def never_made(n: int) -> IndexDocument:
    """A payload that its own generator fails to make."""
    return document(n, price=float("nan"))


def raw(n: int) -> Any:
    return {"index": "products", "id": str(n), "document": {}}


@pytest.mark.parametrize("position", [0, 1, 499, 500, 777])
@pytest.mark.parametrize(
    ("bad", "field"), [(stuck, "document.name"), (never_made, "document.price"), (raw, "payload")]
)
async def test_all_before_a_bad_payload_are_enqueued_and_nothing_after_it(
    redis: Redis, queue: IndexQueue, bad: Callable[[int], Any], field: str, position: int
) -> None:
    payloads = (bad(n) if n == position else document(n) for n in range(1_000))

    with pytest.raises(InvalidJob) as caught:
        await queue.enqueue_many(payloads)

    assert caught.value.field == field
    assert len(caught.value.enqueued) == position
    assert await queued(redis) == ids(caught.value.enqueued)


async def test_a_lost_redis_tells_what_had_been_enqueued(
    redis: Redis, proxy: Proxy, cut_queue: IndexQueue
) -> None:
    def lose_it(enqueued: int) -> None:
        proxy.requests_to_cut = 1_000

    with pytest.raises(QueueUnavailable) as caught:
        await cut_queue.enqueue_many(generated(2_000), progress=lose_it)

    assert 0 < len(caught.value.enqueued) < 2_000
    assert await queued(redis) == ids(caught.value.enqueued)
