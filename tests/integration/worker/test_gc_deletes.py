"""How long the indices that a worker writes to remember deleted documents."""

import asyncio
import logging
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue

pytestmark = pytest.mark.usefixtures("worker")

LOGGER = "penstock.gc_deletes"


async def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What has been warned of, once there is something."""
    async with asyncio.timeout(10):
        while not (lines := [one.getMessage() for one in caplog.records if one.name == LOGGER]):  # noqa: ASYNC110 - a log record sets no event
            await asyncio.sleep(0.01)
    return lines


async def test_an_index_that_was_made_by_its_first_write_is_warned_of_once_and_one_with_the_setting_is_not(
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-raised", settings={"gc_deletes": "2h"})

    for index in (f"{prefix}-raised", f"{prefix}-plain", f"{prefix}-plain"):
        await report(await queue.index(index=index, id="1", document={}))

    (line,) = await warned(caplog)
    assert line.startswith(f"index {prefix}-plain forgets deleted documents after 60s, expected 1h or more")


async def test_the_advice_mends_it(
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await report(await queue.index(index=prefix, id="1", document={}))
    (line,) = await warned(caplog)
    assert line.endswith(f'PUT /{prefix}/_settings {{"index.gc_deletes": "1h"}}')

    await elasticsearch.indices.put_settings(index=prefix, settings={"index.gc_deletes": "1h"})

    assert await gc_deletes(elasticsearch, prefix) == "1h"


@pytest.mark.parametrize(
    ("wanted", "expected"), [(None, "1h"), ({"index": {"gc_deletes": "5m"}}, "5m")], ids=["ours", "theirs"]
)
async def test_an_index_that_penstock_creates_remembers_for_as_long_as_the_setting_says(
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    caplog: pytest.LogCaptureFixture,
    wanted: Any,
    expected: str,
) -> None:
    await elasticsearch.indices.create(index=f"{prefix}-first", aliases={prefix: {}})

    with caplog.at_level(logging.WARNING, LOGGER):
        found = await report(await queue.reindex(alias=prefix, settings=wanted))

    assert await gc_deletes(elasticsearch, found.details["new_index"]) == expected


async def gc_deletes(elasticsearch: AsyncElasticsearch, index: str) -> str:
    answer = await elasticsearch.indices.get_settings(index=index, flat_settings=True)
    found: str = answer[index]["settings"]["index.gc_deletes"]
    return found
