"""A password with every sign that a URL minds, percent-encoded, against a Redis that asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from embedded import RedisServer
from jobs import IndexQueue, QueueUnavailable

PASSWORD = "p@ss:w/rd%?#& é+"


@pytest.fixture
async def guarded(own_redis: RedisServer) -> AsyncIterator[str]:
    """Host and port of a Redis that asks for PASSWORD."""
    address = own_redis.url.removeprefix("redis://")
    async with Redis.from_url(own_redis.url) as redis:
        await redis.config_set("requirepass", PASSWORD)
    yield address
    async with Redis.from_url(own_redis.url, password=PASSWORD) as redis:
        await redis.config_set("requirepass", "")


@pytest.mark.parametrize("user", ["", "default"])
async def test_a_percent_encoded_password_opens_the_queue(guarded: str, user: str) -> None:
    async with IndexQueue(f"redis://{user}:{quote(PASSWORD, safe='')}@{guarded}") as queue:
        handle = await queue.delete(index="products", id="42")

        assert await handle.report() is None


async def test_a_wrong_password_is_refused_and_not_shown(guarded: str) -> None:
    async with IndexQueue(f"redis://:not-the-one@{guarded}") as queue:
        with pytest.raises(QueueUnavailable) as caught:
            await queue.delete(index="products", id="42")

    assert "not-the-one" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
