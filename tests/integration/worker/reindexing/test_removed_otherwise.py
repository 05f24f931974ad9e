"""A touched document that something else than a delete has removed is removed from the new index too."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, ReindexPhase, Report
from worker.reindexing.state import State, Store
from worker.reindexing.touched import Touching

from .conftest import Act, Documented, Documents, Fill, Run


@pytest.mark.usefixtures("worker")
async def test_a_document_that_went_without_a_version(
    run_here: Callable[..., Awaitable[Report]],
    queue: IndexQueue,
    filled: Callable[[int], Awaitable[str]],
    documents: Callable[[str], Awaitable[Documents]],
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a script update with `ctx.op = delete` does it, which the embedded Elasticsearch has not."""
    old = await filled(30)
    enter = Store.enter

    async def entering(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
        if phase is ReindexPhase.CATCH_UP:
            await report(await queue.update(index=prefix, id="7", doc={"last": True}))
            await elasticsearch.delete(index=old, id="7")
        await enter(store, state, phase, **fields)

    monkeypatch.setattr(Store, "enter", entering)

    found = await run_here(prefix)

    assert found.details["documents"] == 29
    assert ("7", None) not in await documents(prefix)


@pytest.mark.usefixtures("worker")
async def test_one_that_was_written_again_behind_a_delete_and_then_went(
    run_here: Run,
    at: Callable[[ReindexPhase, Act], None],
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(30)
    start = Touching.start

    async def starting(touching: Touching, *arguments: Any) -> None:
        """What is written from here on is touched, and in the copy all the same."""
        await start(touching, *arguments)
        await report(await queue.delete(index=prefix, id="7"))
        await report(await queue.index(index=prefix, id="7", document={"again": True}))

    async def remove() -> None:
        await elasticsearch.delete(index=old, id="7")

    monkeypatch.setattr(Touching, "start", starting)
    at(ReindexPhase.CATCH_UP, remove)

    found = await run_here(prefix)

    assert found.details["documents"] == 29
    assert ("7", None) not in await documents(prefix)
