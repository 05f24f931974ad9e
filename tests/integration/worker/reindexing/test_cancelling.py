"""A reindex that ends before its swap leaves alias and data as they were, and says why."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import CancelRefused, IndexQueue, JobFailed, JobNotFound, ReindexPhase, ReindexStatus
from worker.reindexing.moving import Moving
from worker.reindexing.state import State, Store

from .conftest import JOB, Behind, Documented, Fill, Run

Reaches = Callable[..., Awaitable[ReindexStatus]]


@pytest.mark.usefixtures("worker")
async def test_a_cancelled_copy_leaves_all_as_it_was(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    redis: Any,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(300)
    before = await documents(old)
    await redis.zadd("arq:queue", {JOB.id: 3e13})
    save, wished = Store.save_slice, []

    async def saving(store: Store, number: int, part: Any) -> None:
        if not wished:
            wished.append(await queue.cancel_reindex(prefix))
        await save(store, number, part)

    monkeypatch.setattr(Store, "save_slice", saving)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    assert failed.value.report.rejected[0].type == "cancelled"
    assert wished[0].phase is ReindexPhase.COPY
    assert await behind(f"{prefix}*") == [old]
    assert await documents(prefix) == before
    assert (await queue.reindex_status(prefix)).phase is ReindexPhase.CANCELLED
    with pytest.raises(CancelRefused, match="has ended"):
        await queue.cancel_reindex(prefix)


@pytest.mark.usefixtures("worker")
async def test_a_job_that_is_gone_can_not_be_cancelled(
    run_here: Run, queue: IndexQueue, filled: Fill, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(5)
    save = Store.save_slice

    async def saving(store: Store, number: int, part: Any) -> None:
        with pytest.raises(CancelRefused, match="is gone"):
            await queue.cancel_reindex(prefix)
        await save(store, number, part)

    monkeypatch.setattr(Store, "save_slice", saving)

    await run_here(prefix)


async def test_what_is_not_known_can_not_be_cancelled(queue: IndexQueue, prefix: str) -> None:
    with pytest.raises(JobNotFound, match=prefix):
        await queue.cancel_reindex(prefix)


@pytest.mark.usefixtures("worker")
async def test_too_late_to_cancel(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await filled(5)
    enter, refused = Store.enter, []

    async def entering(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
        if phase is ReindexPhase.SWITCH:
            with pytest.raises(CancelRefused, match="too late"):
                await queue.cancel_reindex(prefix)
            refused.append(phase)
        await enter(store, state, phase, **fields)

    monkeypatch.setattr(Store, "enter", entering)

    await run_here(prefix)

    assert refused
    assert (await queue.reindex_status(prefix)).phase is ReindexPhase.DONE


@pytest.mark.usefixtures("worker")
async def test_a_document_that_is_missing_is_named_and_nothing_moves(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    elasticsearch: AsyncElasticsearch,
    behind: Behind,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(30)
    attempt = Moving.try_once

    async def losing(moving: Moving, state: State) -> None:
        await elasticsearch.options(ignore_status=404).delete(index=state.new, id="7")
        await attempt(moving, state)

    monkeypatch.setattr(Moving, "try_once", losing)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    found = failed.value.report
    assert found.rejected[0].type == "count_mismatch"
    assert "30 documents" in found.rejected[0].reason
    assert "holds 29" in found.rejected[0].reason
    assert found.details["missing"] == ["7"]
    assert found.details["extra"] == []
    assert await behind(f"{prefix}*") == [old]
    assert (await queue.reindex_status(prefix)).phase is ReindexPhase.FAILED
