"""What jobs wrote while nobody was told of it: a reindex begins anew, and a rollback says why it can't."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, ReindexPhase, keys
from worker.reindexing.state import Store

from .conftest import Act, Behind, Documented, Fill, Run

COUNT = 60


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("phase", [ReindexPhase.CATCH_UP, ReindexPhase.HOLD])
async def test_a_reindex_begins_anew_where_redis_has_lost_what_to_watch(
    run_here: Run,
    at: Callable[[ReindexPhase, Act], None],
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    redis: Redis,
    prefix: str,
    report: Any,
    phase: ReindexPhase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(COUNT)

    async def lose() -> None:
        await redis.delete(keys.TOUCHING)
        await report(await queue.update(index=prefix, id="5", doc={"late": 1}))
        await report(await queue.delete(index=prefix, id="6"))

    if phase is ReindexPhase.HOLD:
        at(phase, lose)
    else:  # while it is still copied
        save_slice, done = Store.save_slice, []

        async def saving(store: Store, number: int, part: Any) -> None:
            if not done:
                done.append(number)
                await lose()
            await save_slice(store, number, part)

        monkeypatch.setattr(Store, "save_slice", saving)

    found = await run_here(prefix)

    new = found.details["new_index"]
    assert await behind(prefix) == [new]
    assert await documents(new) == await documents(old)
    assert (await documents(new))[("5", None)][0]["late"] == 1
    assert await behind(f"{prefix}*") == sorted([old, new])  # the one that was begun first is gone
    assert found.details["documents"] == COUNT - 1


@pytest.mark.usefixtures("worker")
async def test_a_name_given_to_the_old_index_meanwhile_is_seen(
    run_here: Run,
    at: Callable[[ReindexPhase, Act], None],
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
) -> None:
    old = await filled(COUNT)
    other = f"{prefix}-other"

    async def write_by_another_name() -> None:
        await elasticsearch.indices.put_alias(index=old, name=other)
        await report(await queue.update(index=other, id="5", doc={"late": 1}))

    at(ReindexPhase.HOLD, write_by_another_name)

    new = (await run_here(prefix)).details["new_index"]

    assert await behind(prefix) == await behind(other) == [new]
    assert (await documents(new))[("5", None)][0]["late"] == 1


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("rollback", [False, True], ids=["forward", "back"])
async def test_an_arq_worker_that_came_meanwhile_is_noticed(
    run_here: Run,
    in_the_hold: Callable[[Act], None],
    filled: Fill,
    behind: Behind,
    redis: Redis,
    prefix: str,
    rollback: bool,
) -> None:
    now = await filled(COUNT)
    if rollback:
        now = (await run_here(prefix, "there")).details["new_index"]
    marks = keys.marks("arq:queue")

    async def start() -> None:
        await redis.zadd(marks, {"stock of somebody": 1e15})

    in_the_hold(start)
    try:
        with pytest.raises(JobFailed) as failed:
            await run_here(prefix, "the last", rollback=rollback)
    finally:
        await redis.zrem(marks, "stock of somebody")

    assert failed.value.report.rejected[0].type == "stock_workers"
    assert await behind(prefix) == [now]
