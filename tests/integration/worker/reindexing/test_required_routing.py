"""A mapping that asks for a routing: jobs without one are rejected, and leave nothing to catch up with."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, ReindexPhase

from .conftest import Act, Documented, Run

REQUIRED = {"_routing": {"required": True}}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("rollback", [False, True], ids=["forward", "back"])
async def test_rejected_jobs_without_a_routing_do_not_keep_it_from_ending(
    run_here: Run,
    at: Callable[[ReindexPhase, Act], None],
    queue: IndexQueue,
    documents: Documented,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    failure: Any,
    rollback: bool,
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", mappings=REQUIRED, aliases={prefix: {}})
    await report(await queue.index(index=prefix, id="1", document={"n": 1}, routing="r"))
    if rollback:
        await run_here(prefix, "there", mappings=REQUIRED)

    async def write() -> None:
        for job in (
            await queue.index(index=prefix, id="1", document={"n": 2}),
            await queue.delete(index=prefix, id="2"),
        ):
            assert (await failure(job)).rejected[0].type == "routing_missing_exception"
        await report(await queue.index(index=prefix, id="1", document={"n": 3}, routing="r"))

    at(ReindexPhase.CATCH_UP, write)

    async with asyncio.timeout(20):
        arguments = {"rollback": True} if rollback else {"mappings": REQUIRED}
        await run_here(prefix, "the last", **arguments)

    there = await documents(prefix)
    assert {key: source for key, (source, _) in there.items()} == {("1", "r"): {"n": 3}}
