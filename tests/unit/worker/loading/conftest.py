"""A source of three rows, loads of them, and a batcher that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from jobs.outcomes import Outcome
from tests.sources import Rows
from tests.unit.worker.batching import MakeAction, MakeBatcher
from worker.actions import Action, ActionKind
from worker.answers import Away, Problem, Settled
from worker.batcher import Batcher
from worker.loading import Reading
from worker.registry import Source

WRITTEN = Settled(Outcome.UPDATED)
GONE = Settled(Outcome.DELETED)
AWAY = Problem("connection", "refused", Away.YES)

MakeLoad = Callable[..., Action]


@pytest.fixture
async def rows() -> Rows:
    """A source with three rows."""
    rows = Rows()
    rows.rows = {"1": {"n": 1}, "2": {"n": 2}, "3": {"n": 3}}
    return rows


@pytest.fixture
def make_load(make_action: MakeAction) -> MakeLoad:
    """A load of one id from the source `rows`."""

    def make(id: str) -> Action:
        return make_action(ActionKind.LOAD, id=id, body=None, source="rows")

    return make


@pytest.fixture
def make(make_batcher: MakeBatcher, rows: Rows) -> MakeBatcher:
    """A batcher that has the source; `limits` are those of reading."""

    def make(**limits: Any) -> Batcher:
        sources = limits.pop("sources", {"rows": cast(Source, rows)})
        return make_batcher(reading=Reading(sources, **limits))

    return make


def put(batcher: Batcher, owned: Any, *loads: Action) -> None:
    batcher.add_loads(owned.entries(*loads))
    batcher.pump()
