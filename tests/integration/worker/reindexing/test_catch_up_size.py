"""Catching up reads as many documents at a time as fit into a request, whatever their size."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import keys
from tests.sources import Rows
from worker.reindexing import catching_up
from worker.reindexing.catching_up import CatchUp, FromIndex, FromSource, Reader
from worker.reindexing.pace import Pace
from worker.reindexing.pages import Hit, read_now
from worker.reindexing.plan import Origin
from worker.reindexing.room import Room
from worker.reindexing.target import Target
from worker.reindexing.touched import TouchedSet
from worker.reindexing.writing import Copy, write_copies
from worker.touches import member_of

from .conftest import Documented

COUNT = 300
TEXT = "x" * 1000
# A hundred documents are read first, when nobody knows yet how large they are; then twenty.
BYTES = 20_000
FIRST, MOST = 100, 20


@pytest.fixture
async def small(room: Room, elasticsearch: AsyncElasticsearch, redis: Redis, prefix: str) -> TouchedSet:
    """Requests of a few documents, and an old index whose documents were all touched."""
    few = room.settings.model_copy(update={"reindex_batch_bytes": BYTES, "source_batch_size": 500})
    object.__setattr__(room, "settings", few)
    for name in ("old", "new"):
        await elasticsearch.indices.create(index=f"{prefix}-{name}")
    source = b'{"n":"%b"}' % TEXT.encode()
    copies = [Copy(f"{n}", None, 5, source) for n in range(COUNT)]
    await write_copies(room.client, f"{prefix}-old", copies, room.backoff)
    members: dict[Any, float] = {member_of(one.id, None): n for n, one in enumerate(copies)}
    await redis.zadd(f"{keys.TOUCHED}:{prefix}", members)
    return TouchedSet(redis, prefix)


def origin_named(index: str) -> Origin:
    return Origin(index, concrete=False, shards=1, aliases={})


async def everything(room: Room, touched: TouchedSet, read: Reader, new: str) -> int:
    """Catch up three times over, as behind a swap and in the two rounds before it; how many were counted."""
    pace = Pace(None, lambda: False, now=monotonic, sleep=room.redis.ping)
    counted: list[int] = []

    async def save(*, left: int = 0, caught_up: int = 0) -> None:
        counted.append(caught_up)

    catch_up = CatchUp(touched, read, Target(room, new, new, pace), save, before=0)
    await catch_up.once_more()
    assert await touched.count() == COUNT
    await catch_up.rounds()
    await catch_up.to_zero()
    assert await touched.count() == 0
    return max(counted)


async def test_large_documents_are_read_a_few_at_a_time(
    room: Room, small: TouchedSet, documents: Documented, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, reads = f"{prefix}-old", f"{prefix}-new", []

    async def reading(*arguments: Any, **options: Any) -> Sequence[Hit | None]:
        found = await read_now(*arguments, **options)
        reads.append(len([hit for hit in found if hit is not None]))
        return found

    monkeypatch.setattr(catching_up, "read_now", reading)

    counted = await everything(room, small, FromIndex(room, origin_named(old), new, None), new)

    assert await documents(new) == await documents(old)
    assert reads[0] == FIRST
    assert max(reads[1:]) <= MOST
    assert sum(reads) == 2 * COUNT
    assert counted == COUNT


async def test_large_records_are_fetched_a_few_at_a_time(
    room: Room, small: TouchedSet, documents: Documented, prefix: str
) -> None:
    rows, new = Rows(), f"{prefix}-new"
    rows.rows = {f"{n}": {"n": TEXT} for n in range(COUNT)}
    rows.index = prefix  # type: ignore[attr-defined]

    await everything(room, small, FromSource(room, rows, None, origin_named(f"{prefix}-old")), new)  # type: ignore[arg-type]

    assert len(await documents(new)) == COUNT
    assert max(len(ids) for ids in rows.calls[1:]) <= MOST
