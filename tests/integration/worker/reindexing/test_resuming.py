"""A run that is cut off anywhere is taken up by the next one, and writes in between are in the new index."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, JobFailed, ReindexPhase
from worker.reindexing.state import State, Store
from worker.reindexing.touched import Touching

from .conftest import JOB, PAGE, Documented, Documents, Run

COUNT = 200
MANY = 600


class Killed(BaseException):
    """Raised where a run is cut off; nothing of Penstock's catches it."""


@pytest.fixture
def cut_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[ReindexPhase, bool], None]:
    """Cut a run off when it enters a phase, once: just before that is saved, or just after."""

    def cut(where: ReindexPhase, saved: bool) -> None:
        enter, cuts = Store.enter, [where]

        async def cutting(store: Store, state: State, phase: ReindexPhase, **fields: Any) -> None:
            due = phase in cuts and cuts.pop() is phase
            if due and not saved:
                raise Killed
            await enter(store, state, phase, **fields)
            if due:
                raise Killed

        monkeypatch.setattr(Store, "enter", cutting)

    return cut


@pytest.fixture
def change(queue: IndexQueue, prefix: str, report: Any) -> Callable[[Documents], Awaitable[dict[Any, Any]]]:
    """Write, change and remove documents through jobs; what there is to be then, by id and routing."""

    async def write(before: Documents) -> dict[Any, Any]:
        handles = [
            await queue.index(index=prefix, id="1", document={"name": "later"}),
            await queue.index(index=prefix, id="10", routing="r10", document={"name": "routed, later"}),
            await queue.update(index=prefix, id="2", doc={"name": "changed"}),
            await queue.delete(index=prefix, id="3"),
            await queue.delete(index=prefix, id="20", routing="r20"),
            await queue.index(index=prefix, id="new", document={"name": "new"}),
        ]
        for handle in handles:
            await report(handle)
        after = {key: source for key, (source, _) in before.items()}
        after[("1", None)] = {"name": "later"}
        after[("10", "r10")] = {"name": "routed, later"}
        after[("2", None)] = {"name": "changed", "n": 2}
        after[("new", None)] = {"name": "new"}
        del after[("3", None)], after[("20", "r20")]
        return after

    return write


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("saved", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("phase", ["touching", "copy", "catch_up", "hold", "switch", "done"])
async def test_the_next_run_goes_on(
    run_here: Run,
    cut_at: Callable[[ReindexPhase, bool], None],
    change: Callable[[Documents], Awaitable[dict[Any, Any]]],
    filled: Callable[[int], Awaitable[str]],
    documents: Documented,
    behind: Callable[[str], Awaitable[list[str]]],
    prefix: str,
    phase: str,
    saved: bool,
) -> None:
    old = await filled(COUNT)
    before = await documents(old)
    cut_at(ReindexPhase(phase), saved)
    with pytest.raises(Killed):
        await run_here(prefix)

    wanted = await change(before)
    found = await run_here(prefix)

    new = found.details["new_index"]
    assert await behind(prefix) == [new]
    assert await behind(f"{prefix}*") == sorted([old, new])
    assert {key: source for key, (source, _) in (await documents(prefix)).items()} == wanted


@pytest.mark.usefixtures("worker")
async def test_a_copy_goes_on_at_its_cursor(
    run_here: Run,
    filled: Callable[[int], Awaitable[str]],
    documents: Documented,
    queue: IndexQueue,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(MANY)
    save, pages = Store.save_slice, []

    async def saving(store: Store, number: int, part: Any) -> None:
        await save(store, number, part)
        pages.append((number, part.done))
        if len(pages) == 5:
            raise Killed

    monkeypatch.setattr(Store, "save_slice", saving)
    with pytest.raises(Killed):
        await run_here(prefix)
    half = (await queue.reindex_status(prefix)).done
    before = len(pages)

    await run_here(prefix)

    status = await queue.reindex_status(prefix)
    assert 0 < half < MANY
    assert status.done == MANY
    assert all(part.finished for part in status.slices)
    # Not one page of what was done is copied again, but for the last ones of each slice, which may be empty.
    assert len(pages) - before <= (MANY - half) / PAGE + 2 * len(status.slices)
    assert await documents(prefix) == await documents(old)


@pytest.mark.usefixtures("worker")
async def test_a_lost_point_in_time_begins_its_slices_again(
    run_here: Run,
    cut_at: Callable[[ReindexPhase, bool], None],
    filled: Callable[[int], Awaitable[str]],
    documents: Documented,
    elasticsearch: AsyncElasticsearch,
    redis: Any,
    prefix: str,
) -> None:
    old = await filled(COUNT)
    cut_at(ReindexPhase.COPY, True)
    with pytest.raises(Killed):
        await run_here(prefix)
    state = await Store(redis, prefix, JOB, "arq:queue").load()
    (pit,) = {part.pit for part in state.slices}
    await elasticsearch.close_point_in_time(id=pit)

    await run_here(prefix)

    assert await documents(prefix) == await documents(old)


@pytest.mark.usefixtures("worker")
async def test_a_job_that_is_gone_leaves_nothing_behind_for_the_next(
    run_here: Run,
    cut_at: Callable[[ReindexPhase, bool], None],
    filled: Callable[[int], Awaitable[str]],
    behind: Callable[[str], Awaitable[list[str]]],
    redis: Any,
    prefix: str,
) -> None:
    old = await filled(10)
    cut_at(ReindexPhase.CATCH_UP, True)
    with pytest.raises(Killed):
        await run_here(prefix, "a job that is gone")
    abandoned = await Store(redis, prefix, JOB, "arq:queue").load()

    found = await run_here(prefix, "another job")

    assert await behind(f"{prefix}*") == sorted([old, found.details["new_index"]])
    assert await Touching(redis).names(abandoned.id) == frozenset()


async def test_a_second_reindex_of_an_alias_is_refused(
    run_here: Run,
    cut_at: Callable[[ReindexPhase, bool], None],
    elasticsearch: AsyncElasticsearch,
    redis: Any,
    prefix: str,
) -> None:
    await elasticsearch.indices.create(index=prefix)
    await redis.zadd("arq:queue", {"the first": 2e13})
    cut_at(ReindexPhase.COPY, True)
    with pytest.raises(Killed):
        await run_here(prefix, "the first")

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, "the second")

    rejection = failed.value.report.rejected[0]
    assert rejection.type == "reindex_running"
    assert "the first" in rejection.reason


async def test_an_ended_job_that_runs_again_tells_the_same(
    run_here: Run, elasticsearch: AsyncElasticsearch, behind: Any, prefix: str
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})

    first = await run_here(prefix)
    second = await run_here(prefix)

    assert second == first
    assert await behind(prefix) == [first.details["new_index"]]


async def test_a_job_id_that_is_used_again_is_another_reindex(
    run_here: Run, elasticsearch: AsyncElasticsearch, behind: Any, prefix: str
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})

    first = await run_here(prefix, "nightly", enqueued_ms=1)
    second = await run_here(prefix, "nightly", enqueued_ms=2)

    assert second.details["old_index"] == first.details["new_index"]
    assert await behind(prefix) == [second.details["new_index"]]
