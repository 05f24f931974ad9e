"""Writes that a rollback knows nothing of are not lost: it is refused, as late as while jobs are held."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, ReindexPhase, keys
from jobs.report import refusal
from worker.registry import Registry
from worker.reindexing.touched import Touching

from .conftest import Act, Behind, Documented, Fill, Run, Start

COUNT = 60


@pytest.mark.usefixtures("worker")
async def test_a_rollback_is_refused_where_the_new_index_got_another_name(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
) -> None:
    await filled(COUNT)
    new = (await run_here(prefix, "there")).details["new_index"]
    other = f"{prefix}-other"
    await elasticsearch.indices.put_alias(index=new, name=other)
    await report(await queue.update(index=other, id="5", doc={"late": 1}))

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, "back", rollback=True)

    assert failed.value.report.rejected[0].type == "unwatched_names"
    assert other in failed.value.report.rejected[0].reason
    assert await behind(prefix) == [new]
    assert (await documents(prefix))[("5", None)][0]["late"] == 1


@pytest.mark.usefixtures("keeps_five")
async def test_writes_during_a_rollback_are_never_too_many(
    start_worker: Start,
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    prefix: str,
    report: Any,
    at: Callable[[ReindexPhase, Act], None],
) -> None:
    await start_worker()
    old = await filled(COUNT)
    new = (await run_here(prefix, "there")).details["new_index"]
    for n in range(1, 5):
        await report(await queue.update(index=prefix, id=f"{n}", doc={"late": 1}))

    async def write_more() -> None:
        updates = [{"op": "update", "id": f"{n}", "doc": {"late": 2}} for n in range(11, 19)]
        await report(await queue.bulk(index=prefix, actions=updates))

    at(ReindexPhase.CATCH_UP, write_more)

    await run_here(prefix, "back", rollback=True)

    assert await behind(prefix) == [old]
    assert await documents(old) == await documents(new)
    assert sum("late" in source for source, _ in (await documents(old)).values()) == 12


@pytest.mark.usefixtures("worker")
async def test_a_rollback_looks_once_more_while_jobs_are_held(
    run_here: Run,
    in_the_hold: Callable[[Act], None],
    filled: Fill,
    behind: Behind,
    redis: Redis,
    prefix: str,
) -> None:
    await filled(COUNT)
    new = (await run_here(prefix, "there")).details["new_index"]

    async def overflow() -> None:
        """As worker/lua/finish.lua does it."""
        ((line, *_),) = [
            one.split(b" ")
            for one in (await redis.get(keys.TOUCHING)).split(b"\n")[1:]
            if one.endswith(b" " + new.encode())
        ]
        await redis.set(f"{keys.TOUCHED}:{line.decode()}:bound", "over")
        await Touching(redis).rename(line.decode(), [])

    in_the_hold(overflow)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, "back", rollback=True)

    assert failed.value.report.rejected[0].type == "too_many_touched"
    assert await behind(prefix) == [new]


@pytest.mark.usefixtures("keeps_five")
async def test_a_rollback_that_failed_leaves_the_bound(
    start_worker: Start,
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    prefix: str,
    report: Any,
    at: Callable[[ReindexPhase, Act], None],
) -> None:
    await start_worker()
    await filled(COUNT)
    await run_here(prefix, "there")

    async def fail() -> None:
        raise JobFailed(refusal("by_the_test", "it fails here"))

    at(ReindexPhase.HOLD, fail)
    with pytest.raises(JobFailed, match="it fails here"):
        await run_here(prefix, "back", rollback=True)

    updates = [{"op": "update", "id": f"{n}", "doc": {"late": 2}} for n in range(11, 19)]
    await report(await queue.bulk(index=prefix, actions=updates))
    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, "again", rollback=True)
    assert failed.value.report.rejected[0].type == "too_many_touched"


async def test_a_document_left_out_by_the_transform_is_there_after_a_rollback(
    start_worker: Start,
    run_here: Run,
    registry: Registry,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    prefix: str,
    failure: Any,
) -> None:
    @registry.transform("fewer", inverse=lambda document: document)
    def fewer(document: dict[str, Any]) -> dict[str, Any] | None:
        return None if document["n"] % 7 == 0 else document

    await start_worker()
    old = await filled(COUNT)
    was = await documents(old)
    await run_here(prefix, "there", transform="fewer")
    refused = await failure(await queue.update(index=prefix, id="7", doc={"late": 1}))
    assert refused.rejected[0].type == "document_missing_exception"

    await run_here(prefix, "back", rollback=True)

    assert await documents(prefix) == was
