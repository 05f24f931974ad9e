"""A touched document that something else than a delete has removed is removed from the new index too."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, ReindexPhase, Report
from worker.reindexing.state import State, Store

from .conftest import Documents


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
