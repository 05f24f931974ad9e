"""An index rebuilt from the system of record, which may change while it is read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, JobFailed, ReindexPhase
from tests.sources import Rows
from worker.registry import Record, Registry

from .conftest import Documented, Fill, Run, Start


class Batches(Rows):
    """Reads ten rows at a time; `between` is awaited before each but the first."""

    between: Callable[[], Awaitable[Any]] | None = None

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        ids = sorted(id for id in self.rows if after is None or id > after)
        for first in range(0, len(ids), 10):
            if first and self.between is not None:
                await self.between()
            yield [Record(id, self.rows[id], self.routing.get(id)) for id in ids[first : first + 10]]


@pytest.fixture
def rows(registry: Registry, prefix: str) -> Batches:
    """The system of record of the index `prefix`."""
    rows = Batches()
    registry.source("rows", index=prefix)(rows)
    return rows


async def test_the_new_index_is_what_the_source_has(
    start_worker: Start,
    queue: IndexQueue,
    rows: Batches,
    filled: Fill,
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    await start_worker()
    await filled(40)
    rows.rows = {f"{n:03}": {"of": "the source", "n": n} for n in range(35)}
    rows.routing = {"004": "r4"}
    changed: list[Any] = []

    async def change() -> None:
        """Behind the cursor and before it: as services do it, first the row and then the job."""
        if not changed:
            rows.rows["001"] = {"of": "a later moment"}
            del rows.rows["002"]
            rows.rows["000a"] = {"of": "a row that came later"}
            changed.append(await queue.load(source="rows", ids=["001", "002", "000a"]))
            await report(changed[0])

    rows.between = change

    found = await report(await queue.reindex(alias=prefix, source="rows"))

    there = {key: source for key, (source, _) in (await documents(prefix)).items()}
    assert there == {(id, rows.routing.get(id)): row for id, row in rows.rows.items()}
    assert found.details["documents"] == 35
    # A job that was enqueued later than anything was read wins over it.
    await report(await queue.index(index=prefix, id="003", document={"of": "a job"}))
    assert (await documents(prefix))[("003", None)][0] == {"of": "a job"}


async def test_a_source_that_fails_is_read_on_from_where_it_was(
    start_worker: Start,
    queue: IndexQueue,
    rows: Batches,
    filled: Fill,
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    await start_worker()
    await filled(3)
    rows.rows = {f"{n:03}": {"n": n} for n in range(25)}
    failures = iter([ConnectionError("the database is away"), None])

    async def fail() -> None:
        if error := next(failures, None):
            raise error

    rows.between = fail

    await report(await queue.reindex(alias=prefix, source="rows"))

    status = await queue.reindex_status(prefix)
    assert status.done == 25
    assert {id for id, _ in await documents(prefix)} == set(rows.rows)


async def test_a_source_of_another_index_is_refused(
    run_here: Run, registry: Registry, elasticsearch: Any, prefix: str
) -> None:
    registry.source("rows", index="elsewhere")(Batches())
    await elasticsearch.indices.create(index=prefix)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, source="rows")

    assert failed.value.report.rejected[0].type == "source_of_another_index"
    assert "elsewhere" in failed.value.report.rejected[0].reason


async def test_a_record_that_is_no_document_is_named(
    start_worker: Start,
    queue: IndexQueue,
    rows: Batches,
    filled: Fill,
    behind: Any,
    prefix: str,
    failure: Any,
) -> None:
    await start_worker()
    old = await filled(3)
    rows.rows = {"1": {"n": 1}, "2": {"n": float("nan")}}

    found = await failure(await queue.reindex(alias=prefix, source="rows"))

    assert [(one.id, one.type) for one in found.rejected] == [("2", "bad_record")]
    assert await behind(f"{prefix}*") == [old]


async def test_a_job_that_waits_until_after_the_swap_wins_over_rows_of_an_earlier_moment(
    start_worker: Start,
    run_here: Run,
    queue: IndexQueue,
    registry: Registry,
    documents: Documented,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
) -> None:
    """As a query with a cursor reads: every row is as it was when the query began."""
    rows = Batches()
    rows.rows = {f"{n:03}": {"n": n} for n in range(25)}
    waiting: list[Any] = []

    class Cursor(Batches):
        async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
            async for batch in rows.all(after):
                if not waiting:  # no worker is there to take it
                    document = {"of": "a later moment"}
                    waiting.append(await queue.index(index=prefix, id="015", document=document))
                yield batch

    registry.source("rows", index=prefix)(Cursor())
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})
    await run_here(prefix, source="rows")

    await start_worker()
    await report(waiting[0])

    assert (await documents(prefix))[("015", None)][0] == {"of": "a later moment"}


async def test_what_was_caught_up_with_before_a_hold_was_given_up_is_still_tolerated(
    run_here: Run,
    worker: Any,
    in_the_hold: Any,
    at: Any,
    queue: IndexQueue,
    rows: Batches,
    filled: Fill,
    documents: Documented,
    prefix: str,
    report: Any,
) -> None:
    await filled(3)
    rows.rows = {f"{n:03}": {"n": n} for n in range(25)}

    async def remove() -> None:
        for id in ("001", "002"):
            del rows.rows[id]
            await report(await queue.delete(index=prefix, id=id))

    async def give_up() -> None:
        raise TimeoutError

    at(ReindexPhase.HOLD, remove)
    in_the_hold(give_up)

    found = await run_here(prefix, source="rows")

    assert found.details["holds"] == 2
    assert {id for id, _ in await documents(prefix)} == set(rows.rows)
