"""A bad job is refused by the producer: the error names field and value, and Redis never hears of it."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import DeleteDocument, IndexDocument, IndexQueue, InvalidJob
from jobs.envelope import DEFAULT_MAX_JOB_BYTES

GOOD: dict[str, Any] = {"index": "products", "id": "42", "document": {}}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("index", GOOD | {"id": ""}, "id"),
    ("index", GOOD | {"id": "é" * 257}, "id"),
    ("index", GOOD | {"index": "Products"}, "index"),
    ("index", GOOD | {"document": []}, "document"),
    ("index", GOOD | {"document": {"price": float("nan")}}, "document.price"),
    ("index", GOOD | {"document": {"tags": {1}}}, "document.tags"),
    ("index", GOOD | {"document": {"name": "\ud800"}}, "document.name"),
    ("index", GOOD | {"version": 3}, "version"),
    ("index", {"index": "products", "document": {}}, "id"),
    ("update", {"index": "products", "id": "42"}, "job"),
    ("delete", {"index": "products", "id": "42", "document": {}}, "document"),
    ("bulk", {"index": "products", "actions": []}, "actions"),
    ("bulk", {"index": "orders", "actions": [DeleteDocument(index="products", id="1")]}, "actions"),
    ("load", {"source": "shop", "ids": []}, "ids"),
    ("reindex", {"alias": "*"}, "alias"),
]


@pytest.mark.parametrize(("job", "arguments", "field"), BAD)
async def test_nothing_reaches_redis_for_a_bad_job(
    redis: Redis, queue: IndexQueue, job: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidJob) as caught:
        await getattr(queue, job)(**arguments)

    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert await redis.dbsize() == 0


async def test_a_job_over_the_limit_is_refused_and_one_at_the_limit_is_taken(
    redis: Redis, queue: IndexQueue
) -> None:
    with pytest.raises(InvalidJob, match="10485760 bytes at the most"):
        await queue.index(**GOOD | {"document": {"text": "x" * DEFAULT_MAX_JOB_BYTES}})
    assert await redis.dbsize() == 0

    await queue.index(**GOOD | {"document": {"text": "x" * (DEFAULT_MAX_JOB_BYTES - 200)}})
    assert await redis.zcard("arq:queue") == 1


async def test_the_limit_is_the_producers_to_set(redis_url: str) -> None:
    async with IndexQueue(redis_url, max_job_bytes=300) as queue:
        await queue.index(**GOOD)
        with pytest.raises(InvalidJob, match="300 bytes at the most"):
            await queue.index(**GOOD | {"document": {"text": "x" * 300}})


@pytest.mark.parametrize("key", ["", 7, b"key", "\ud800", "k" * 2_000])
async def test_an_idempotency_key_is_text_of_a_sane_length(redis: Redis, queue: IndexQueue, key: Any) -> None:
    with pytest.raises(InvalidJob) as caught:
        await queue.index(**GOOD, idempotency_key=key)

    assert (caught.value.field, caught.value.value) == ("idempotency_key", key)
    assert await redis.dbsize() == 0


@pytest.mark.parametrize("payload", [GOOD, None, "index", IndexDocument])
async def test_what_is_no_payload_is_refused_with_the_models_names(
    redis: Redis, queue: IndexQueue, payload: Any
) -> None:
    with pytest.raises(InvalidJob, match="IndexDocument, UpdateDocument, DeleteDocument"):
        await queue.enqueue(payload)
    assert await redis.dbsize() == 0


def test_a_time_to_live_of_nothing_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="idempotency_seconds"):
        IndexQueue(idempotency_seconds=0)


async def test_a_client_that_decodes_is_refused_and_one_that_does_not_is_left_open(redis_url: str) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as decoding:
        with pytest.raises(ValueError, match="decode_responses"):
            IndexQueue(decoding)
    async with Redis.from_url(redis_url) as own:
        async with IndexQueue(own) as queue:
            handle = await queue.index(**GOOD)
        assert await own.exists(f"arq:job:{handle.id}")
