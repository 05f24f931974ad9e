"""Which indices forget deleted documents too soon, and that nobody waits for the look."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from worker.elastic import ProcessClient
from worker.gc_deletes import GcDeletes, seconds_of

LOGGER = "penstock.gc_deletes"


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("60s", 60), ("1h", 3600), ("1.5h", 5400), ("2d", 172_800), ("500ms", 0.5), ("5m", 300), ("0", 0)],
)
def test_given_a_time_of_elasticsearchs_then_it_is_seconds(time: str, seconds: float) -> None:
    assert seconds_of(time) == pytest.approx(seconds)


def test_given_minus_one_then_deletes_are_forgotten_at_once() -> None:
    assert seconds_of("-1") == 0


def test_given_anything_else_then_it_is_no_time() -> None:
    assert [seconds_of(text) for text in ("", "soon", "1 h", "h")] == [None] * 4


@pytest.fixture
async def gc_deletes(client: AsyncElasticsearch) -> AsyncIterator[GcDeletes]:
    """One that expects an hour."""
    made = GcDeletes(ProcessClient(client), "1h")
    yield made
    await made.close()


def setting(index: str, value: str, kind: str = "settings") -> dict[str, Any]:
    return {index: {kind: {"index.gc_deletes": value}}}


async def looked(gc_deletes: GcDeletes) -> None:
    """Wait until the looks that are wanted by now are done."""
    assert gc_deletes._looking is not None
    await asyncio.wait_for(gc_deletes._looking, 5)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


async def test_given_an_index_that_forgets_after_a_minute_then_the_warning_says_how_to_mend_it(
    gc_deletes: GcDeletes, far_end: Any, caplog: pytest.LogCaptureFixture
) -> None:
    far_end.answer(setting("products", "60s", "defaults"))

    gc_deletes.written(["products"])
    await looked(gc_deletes)

    ((method, target, _),) = far_end.asked
    assert (method, target.partition("?")[0]) == ("GET", "/products/_settings/index.gc_deletes")
    (line,) = warnings(caplog)
    assert line.startswith("index products forgets deleted documents after 60s, expected 1h or more")
    assert 'PUT /products/_settings {"index.gc_deletes": "1h"}' in line


@pytest.mark.parametrize("value", ["1h", "60m", "7d"])
async def test_given_an_index_that_remembers_long_enough_then_nothing_is_said(
    gc_deletes: GcDeletes, far_end: Any, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    far_end.answer(setting("products", value) | {"other": {"settings": {}, "defaults": {}}})

    gc_deletes.written(["products"])
    await looked(gc_deletes)

    assert warnings(caplog) == []


async def test_given_a_setting_of_its_own_then_the_default_does_not_count(
    gc_deletes: GcDeletes, far_end: Any, caplog: pytest.LogCaptureFixture
) -> None:
    both = {"settings": {"index.gc_deletes": "2h"}, "defaults": {"index.gc_deletes": "60s"}}
    far_end.answer({"products": both})

    gc_deletes.written(["products"])
    await looked(gc_deletes)

    assert warnings(caplog) == []


async def test_given_an_index_that_is_written_to_again_then_it_is_looked_at_once(
    gc_deletes: GcDeletes, far_end: Any, caplog: pytest.LogCaptureFixture
) -> None:
    far_end.answer(setting("products", "60s"))
    far_end.answer(setting("products", "60s"))

    for names in (["products"], ["products"], ["alias"]):
        gc_deletes.written(names)
        await looked(gc_deletes)

    assert len(far_end.asked) == 2  # the second one is the alias's
    assert len(warnings(caplog)) == 1
    assert gc_deletes.known == {"products", "alias"}


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_given_a_look_that_fails_then_it_is_quiet_and_the_next_index_is_looked_at(
    gc_deletes: GcDeletes, far_end: Any, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    far_end.answer({"error": {"type": "security_exception", "reason": "r"}}, status=status)
    far_end.answer(setting("first", "60s"))

    with caplog.at_level(logging.INFO, LOGGER):
        gc_deletes.written(["first", "second"])
        await looked(gc_deletes)

    assert len(far_end.asked) == 2
    assert [line.split()[1] for line in warnings(caplog)] == ["first"]


async def test_given_more_indices_than_names_are_kept_then_the_others_are_not_looked_at(
    gc_deletes: GcDeletes, far_end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.gc_deletes._MOST_INDICES", 2)
    for _ in range(2):
        far_end.answer({})

    gc_deletes.written(["a", "b", "c"])
    await looked(gc_deletes)
    gc_deletes.written(["d"])

    assert len(far_end.asked) == 2
    assert gc_deletes.known == {"a", "b"}
