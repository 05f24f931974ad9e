"""What an index holds has been through its pipeline; what a source has, has not."""

import pytest
from elasticsearch import AsyncElasticsearch

from worker.registry import Record
from worker.reindexing.converting import of_hits, of_records
from worker.reindexing.pages import Hit
from worker.reindexing.room import Room
from worker.reindexing.writing import write_copies


@pytest.fixture
async def piped(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """An index that refuses what is to go through its default pipeline: there is none of that name."""
    index = f"{prefix}-piped"
    settings = {"default_pipeline": f"{prefix}-missing", "number_of_replicas": 0}
    await elasticsearch.indices.create(index=index, settings=settings)
    return index


@pytest.mark.parametrize("changed", [False, True])
async def test_copies_of_an_index_pass_the_default_pipeline_by(room: Room, piped: str, changed: bool) -> None:
    async def change(document: dict[str, int]) -> dict[str, int]:
        return document

    converted = await of_hits([Hit("1", None, 5, b'{"n":1}')], change if changed else None)

    written = await write_copies(room.client, piped, converted.copies, room.backoff)

    assert (written.written, written.rejected) == (1, [])


async def test_records_of_a_source_go_through_it(room: Room, piped: str) -> None:
    converted = await of_records([Record("1", {"n": 1})], 5, None)

    written = await write_copies(room.client, piped, converted.copies, room.backoff)

    assert [one.id for one in written.rejected] == ["1"]
    assert "pipeline" in written.rejected[0].reason
