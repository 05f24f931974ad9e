"""Index templates may give names to the new index: it is filled without them, and moved to when whole."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, JobFailed, ReindexPhase
from worker.reindexing import building
from worker.reindexing.room import Room
from worker.reindexing.state import Store
from worker.reindexing.swap import take_aliases_off
from worker.reindexing.tidying import tidy_up
from worker.reindexing.touched import Touching

from .conftest import JOB, Act, Behind, Documented, Fill, Run

At = Callable[[ReindexPhase, Act], None]


class Killed(BaseException):
    """Raised where a run is cut off; nothing of Penstock's catches it."""


@pytest.fixture
async def template(elasticsearch: AsyncElasticsearch, prefix: str) -> AsyncIterator[str]:
    """A template by which every index `<prefix>-…` gets the alias."""
    await elasticsearch.indices.put_index_template(
        name=prefix, index_patterns=[f"{prefix}-*"], template={"aliases": {prefix: {}}}, priority=10
    )
    yield prefix
    await elasticsearch.indices.delete_index_template(name=prefix)


@pytest.mark.usefixtures("worker", "template")
async def test_an_alias_of_a_template_leads_to_the_new_index_only_when_it_is_whole(
    run_here: Run,
    queue: IndexQueue,
    filled: Fill,
    documents: Documented,
    behind: Behind,
    at: At,
    prefix: str,
    report: Any,
) -> None:
    old = await filled(60)
    seen: list[list[str]] = []

    async def write() -> None:
        seen.append(await behind(prefix))
        await report(await queue.index(index=prefix, id="late", document={"late": 1}))

    at(ReindexPhase.CATCH_UP, write)

    new = (await run_here(prefix)).details["new_index"]

    assert seen == [[old]]
    assert await behind(prefix) == [new]
    assert (await documents(prefix))[("late", None)][0] == {"late": 1}
    assert len(await documents(prefix)) == 61


@pytest.mark.usefixtures("worker", "template")
async def test_a_cancel_does_not_bring_an_index_to_the_front_that_a_template_gave_the_alias(
    run_here: Run, queue: IndexQueue, redis: Any, filled: Fill, behind: Behind, at: At, prefix: str
) -> None:
    old = await filled(60)
    await redis.zadd("arq:queue", {JOB.id: 3e13})

    async def wish() -> None:
        await queue.cancel_reindex(prefix)

    at(ReindexPhase.TOUCHING, wish)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix)

    assert failed.value.report.rejected[0].type == "cancelled"
    assert await behind(f"{prefix}*") == [old]


@pytest.mark.usefixtures("worker", "template")
async def test_a_run_that_is_killed_before_it_takes_the_alias_off_is_gone_on_with(
    run_here: Run, filled: Fill, behind: Behind, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await filled(5)

    async def killed(client: AsyncElasticsearch, index: str) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(building, "take_aliases_off", killed)
        with pytest.raises(Killed):
            await run_here(prefix)
    assert len(await behind(prefix)) == 2

    new = (await run_here(prefix)).details["new_index"]

    assert await behind(prefix) == [new]
    assert await behind(f"{prefix}*") == sorted([old, new])


@pytest.mark.usefixtures("worker", "template")
async def test_a_reindex_that_begins_anew_takes_the_alias_off_again(
    run_here: Run,
    redis: Any,
    filled: Fill,
    behind: Behind,
    at: At,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = await filled(5)
    filling: list[str] = []

    async def unwatched() -> None:
        state = await Store(redis, prefix, JOB, "arq:queue").look()
        await Touching(redis).stop(state.id)

    async def off(client: AsyncElasticsearch, index: str) -> None:
        await take_aliases_off(client, index)
        filling.append(index)
        assert await behind(prefix) == [old]

    at(ReindexPhase.HOLD, unwatched)
    monkeypatch.setattr(building, "take_aliases_off", off)

    new = (await run_here(prefix)).details["new_index"]

    assert len(filling) == 2
    assert filling[-1] == new
    assert await behind(prefix) == [new]
    assert await behind(f"{prefix}*") == sorted([old, new])


async def test_an_alias_that_leads_to_both_indices_has_not_moved(
    room: Room, elasticsearch: AsyncElasticsearch, behind: Behind, prefix: str
) -> None:
    old, new = f"{prefix}-old", f"{prefix}-new"
    for index in (old, new):
        await elasticsearch.indices.create(index=index, aliases={prefix: {}})
    store = Store(room.redis, prefix, JOB, room.queue)
    await store.begin(rollback=False)
    await store.save(new=new, old=old, names=[prefix], moving=False, phase=ReindexPhase.ENDING)

    await tidy_up(room, store, prefix, await store.load())

    assert await behind(f"{prefix}*") == [old]
    assert (await store.load()).phase is ReindexPhase.CANCELLED
