"""A source that yields nothing is taken for a mistake: it replaces no documents."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs import IndexQueue, JobFailed
from tests.sources import Rows
from worker.registry import Registry
from worker.reindexing import moving

from .conftest import Behind, Documented, Run


@pytest.mark.usefixtures("worker")
async def test_a_source_without_rows_does_not_replace_a_concrete_index(
    run_here: Run,
    queue: IndexQueue,
    registry: Registry,
    documents: Documented,
    behind: Behind,
    prefix: str,
    report: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.source("rows", index=prefix)(Rows())
    await report(await queue.index(index=prefix, id="1", document={"n": 1}))
    monkeypatch.setattr(moving, "_FIRST_PAUSE_SECONDS", 0.0)

    with pytest.raises(JobFailed) as failed:
        await run_here(prefix, source="rows")

    assert failed.value.report.rejected[0].type == "count_mismatch"
    assert "is empty" in failed.value.report.rejected[0].reason
    assert await behind(f"{prefix}*") == [prefix]
    await report(await queue.index(index=prefix, id="2", document={"n": 2}))
    there = await documents(prefix)
    assert {id: source for (id, _), (source, _) in there.items()} == {"1": {"n": 1}, "2": {"n": 2}}
