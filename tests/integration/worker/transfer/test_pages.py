"""Pages, looks and copies on a real server: the bytes that were sent, slices that stay, what is lost."""

import asyncio
import random
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from elasticsearch import AsyncElasticsearch

from worker.backoff import Backoff
from worker.reindexing.pages import Hit, PointInTime, PointInTimeLost, Unreadable, read_now
from worker.reindexing.writing import Copy, Written, write_copies

BACKOFF = Backoff(0.01, 0.1, random.random)
# Spaces, digits and escapes that a parser would change; line ends become spaces in a copy.
SOURCES = {
    "1": b'{"n": 12345678901234567890123456789, "d":0.100000000000000000000000000001}',
    "2": b"{}",
    "3": b'{ "t" : "\\u00e9\xc3\xa9\\n\\/", "half":"\\ud800" }',
    'a/b "c"\\\t': b'{\n  "n": 1.0\r\n}',
}
UNMAPPED = {"dynamic": False}


async def put(client: AsyncElasticsearch, index: str, id: str, source: bytes, **params: Any) -> None:
    await client.perform_request(
        "PUT", f"/{index}/_doc/{quote(id, safe='')}", params=params, body=source,
        headers={"accept": "application/json", "content-type": "application/json"},
    )  # fmt: skip


async def all_hits(client: AsyncElasticsearch, index: str, slices: int = 1, size: int = 3) -> list[Hit]:
    pit = await PointInTime.open(client, index)
    found: list[Hit] = []
    for number in range(slices):
        after: list[Any] | None = None
        while True:
            page = await pit.page(after, size=size, slice=(number, slices))
            found += page.hits
            if (after := page.after) is None:
                break
    await pit.close()
    return found


@pytest.mark.parametrize(("shards", "slices"), [(1, 1), (1, 3), (3, 2)])
async def test_a_copy_is_the_original_to_the_byte(
    client: AsyncElasticsearch, prefix: str, shards: int, slices: int
) -> None:
    old, new = f"{prefix}-old", f"{prefix}-new"
    for index in (old, new):
        await client.indices.create(
            index=index, mappings=UNMAPPED, settings={"number_of_shards": shards, "number_of_replicas": 0}
        )
    for id, source in SOURCES.items():
        await put(client, old, id, source)
        await put(client, old, f"{id} r", source, routing="r ü")
    await put(client, old, "1", SOURCES["1"])
    await client.indices.refresh(index=old)

    hits = await all_hits(client, old, slices)
    written = await write_copies(client, new, [Copy(*hit) for hit in hits], BACKOFF)
    await client.indices.refresh(index=new)

    assert written == Written(8, 0, 0, [])
    assert {(hit.id, hit.routing): hit.source for hit in hits} == {
        place: source for id, source in SOURCES.items() for place in ((id, None), (f"{id} r", "r ü"))
    }
    copies = sorted(await all_hits(client, new), key=str)
    assert copies == sorted(
        (hit._replace(source=hit.source.replace(b"\n", b" ").replace(b"\r", b" ")) for hit in hits), key=str
    )
    assert {hit.version for hit in hits if hit.id == "1"} == {2}


async def test_a_copy_never_overwrites_what_is_newer_nor_brings_back_what_is_gone(
    client: AsyncElasticsearch, prefix: str
) -> None:
    def copy(id: str, version: int, source: bytes | None = b"{}") -> Copy:
        return Copy(id, None, version, source)

    first = await write_copies(client, prefix, [copy("1", 5), copy("2", 5), copy("3", 5, None)], BACKOFF)
    again = [copy("1", 4), copy("2", 5), copy("2", 6, None), copy("2", 5), copy("3", 4)]
    second = await write_copies(client, prefix, again, BACKOFF)

    assert first == Written(2, 0, 1, [])
    assert second == Written(written=1, newer=3, removed=1, rejected=[])


async def test_a_bad_copy_is_rejected_alone(client: AsyncElasticsearch, prefix: str) -> None:
    await client.indices.create(index=prefix, mappings={"properties": {"n": {"type": "long"}}})
    good, bad = Copy("good", None, 1, b'{"n":1}'), Copy("bad", None, 1, b'{"n":"x"}')
    too_long = Copy("x" * 513, None, 1, b'{"n":1}')  # the whole request is refused for it

    found = await write_copies(client, prefix, [good, bad, too_long, good._replace(id="2")], BACKOFF)

    assert found.written == 2
    assert {(one.id, one.type) for one in found.rejected} == {
        ("bad", "document_parsing_exception"),
        (too_long.id, "action_request_validation_exception"),
    }


async def test_unchanged_documents_stay_in_their_slice(client: AsyncElasticsearch, prefix: str) -> None:
    await client.indices.create(index=prefix, settings={"number_of_shards": 1, "number_of_replicas": 0})
    ids = [str(n) for n in range(200)]

    async def write(some: list[str]) -> None:
        await client.bulk(
            operations=[line for id in some for line in ({"index": {"_index": prefix, "_id": id}}, {})],
            refresh=True,
        )

    async def slices() -> list[set[str]]:
        pit = await PointInTime.open(client, prefix)
        found = [{hit.id for hit in (await pit.page(None, size=500, slice=(n, 2))).hits} for n in range(2)]
        await pit.close()
        return found

    await write(ids)
    before = await slices()
    await write(ids[::10])
    await client.indices.forcemerge(index=prefix, max_num_segments=1)
    after = await slices()

    unchanged = set(ids) - set(ids[::10])
    assert [part & unchanged for part in after] == [part & unchanged for part in before]
    assert before[0] | before[1] == set(ids) == after[0] | after[1]
    assert all(before)


async def test_a_forgotten_point_in_time_is_told_and_can_be_closed(
    client: AsyncElasticsearch, prefix: str
) -> None:
    await put(client, prefix, "1", b"{}", refresh="true")
    pit = await PointInTime.open(client, prefix)
    await pit.close()

    with pytest.raises(PointInTimeLost):
        await pit.page(None, size=5)
    with pytest.raises(PointInTimeLost):
        await pit.count()
    await pit.close()


async def test_an_index_without_sources_can_not_be_copied(client: AsyncElasticsearch, prefix: str) -> None:
    await client.indices.create(index=prefix, mappings={"_source": {"enabled": False}})
    await put(client, prefix, "7", b"{}", refresh="true")

    with pytest.raises(Unreadable, match="'7' has no source"):
        await all_hits(client, prefix)


async def test_vectors_are_read_as_well(client: AsyncElasticsearch, prefix: str) -> None:
    await client.indices.create(
        index=prefix, mappings={"properties": {"v": {"type": "dense_vector", "dims": 3, "index": False}}}
    )
    await put(client, prefix, "1", b'{"v":[0.5,-1.25,2.0],"t":"x"}')

    (unrefreshed,) = await read_now(client, prefix, [("1", None)])
    await client.indices.refresh(index=prefix)
    (refreshed,) = await read_now(client, prefix, [("1", None)])
    (hit,) = await all_hits(client, prefix)

    for found in (unrefreshed, refreshed, hit):
        assert found is not None
        assert orjson.loads(found.source) == {"v": [0.5, -1.25, 2.0], "t": "x"}


async def test_documents_are_read_before_they_are_refreshed_by_the_alias_too(
    client: AsyncElasticsearch, prefix: str
) -> None:
    await client.indices.create(
        index=f"{prefix}-i",
        mappings=UNMAPPED,
        settings={"refresh_interval": "-1"},
        aliases={f"{prefix}-a": {"index_routing": "r"}},
    )
    await asyncio.gather(
        put(client, f"{prefix}-i", "1", SOURCES["1"]), put(client, f"{prefix}-a", "2", SOURCES["3"])
    )

    plain = await read_now(client, f"{prefix}-i", [("1", None), ("2", "r"), ("gone", None)])
    by_alias = await read_now(client, f"{prefix}-a", [("2", None)])

    assert plain == [Hit("1", None, 1, SOURCES["1"]), Hit("2", "r", 1, SOURCES["3"]), None]
    assert by_alias == [Hit("2", "r", 1, SOURCES["3"])]
