"""Requests that fail, and answers that are lost, cost a reindex time and nothing else."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elastic_transport import ConnectionError as NotReached
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisNotReached

from jobs import Report
from worker.reindexing.room import Room

from .conftest import Documents

COUNT = 200


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("seed", [2, 3])
async def test_elasticsearch_answers_every_other_request(
    run_here: Callable[..., Awaitable[Report]],
    room: Room,
    filled: Callable[[int], Awaitable[str]],
    documents: Callable[[str], Awaitable[Documents]],
    behind: Callable[[str], Awaitable[list[str]]],
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    old = await filled(COUNT)
    perform, chance = room.client.transport.perform_request, random.Random(seed)
    failed: list[str] = []

    async def performing(*arguments: Any, **options: Any) -> Any:
        lot = chance.random()
        if lot < 0.25:
            failed.append("not sent")
            raise NotReached("not sent")
        answer = await perform(*arguments, **options)
        if lot < 0.5:
            failed.append("answer lost")
            raise NotReached("answer lost")
        return answer

    monkeypatch.setattr(room.client.transport, "perform_request", performing)

    found = await run_here(prefix)

    assert len(set(failed)) == 2
    assert await behind(f"{prefix}*") == sorted([old, found.details["new_index"]])
    assert await behind(prefix) == [found.details["new_index"]]
    assert await documents(prefix) == await documents(old)


@pytest.mark.usefixtures("worker")
async def test_redis_answers_every_other_command(
    run_here: Callable[..., Awaitable[Report]],
    redis: Redis,
    filled: Callable[[int], Awaitable[str]],
    documents: Callable[[str], Awaitable[Documents]],
    behind: Callable[[str], Awaitable[list[str]]],
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(COUNT)
    execute, chance = redis.execute_command, random.Random(4)

    async def executing(*arguments: Any, **options: Any) -> Any:
        lot = chance.random()
        if lot < 0.1:
            raise RedisNotReached("not sent")
        answer = await execute(*arguments, **options)
        if lot < 0.2:
            raise RedisNotReached("answer lost")
        return answer

    monkeypatch.setattr(redis, "execute_command", executing)

    found = await run_here(prefix)

    monkeypatch.undo()
    assert await behind(f"{prefix}*") == sorted([old, found.details["new_index"]])
    assert await documents(prefix) == await documents(old)
