"""An export that is imported again: the same documents to the byte, told line by line where that can't be."""

import asyncio
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from elasticsearch import AsyncElasticsearch, NotFoundError
from redis.asyncio import Redis

from jobs import IndexQueue, keys
from worker.backoff import Backoff
from worker.reindexing.pages import Hit, PointInTime
from worker.transfer.exporting import ExportBroken, export
from worker.transfer.files import opened, parts_of, whole_file
from worker.transfer.importing import Import, Tally, Told
from worker.transfer.lines import ReadLine, read_exported, reader_by_field

BACKOFF = Backoff(0.01, 0.1, random.random)
ODD = b'{"n": 12345678901234567890123456789, "d":0.100000000000000000000000000001 ,"e":1E2}'
DOCUMENTS = {
    "1": ODD,
    "2": b"{}",
    "ü 😀": '{"t":"é😀\\u00e9\\n","l":[1.0,{"x":null}]}'.encode(),
    'a/b?c#"d"\\e\t\x01': b'{"n":-0.0}',
    "x" * 512: b'{"n":1}',
}
UNMAPPED = {"dynamic": False}


class Run:
    """One import of one content, and what it told."""

    def __init__(
        self,
        queue: IndexQueue,
        index: str,
        read: ReadLine = read_exported,
        salt: str = "",
        most_waiting: int = 1000,
    ) -> None:
        self.bad: dict[int, tuple[str | None, str]] = {}
        self.waits = asyncio.Event()
        told = Told(self._tell, lambda tally: None, lambda text: self.waits.set())
        self.work = Import(queue, index, read, told, most_waiting=most_waiting, salt=salt)

    def _tell(self, number: int, id: str | None, type: str, reason: str) -> None:
        self.bad[number] = (id, type)

    async def __call__(self, content: bytes, most_lines: int = 4, longest_line: int = 10_000) -> Tally:
        async with asyncio.timeout(20):
            return await self.work.run(parts_of(io.BytesIO(content), most_lines, 10_000, longest_line))


async def stored(client: AsyncElasticsearch, index: str) -> dict[tuple[str, str | None], bytes]:
    await client.indices.refresh(index=index)
    pit = await PointInTime.open(client, index)
    hits: list[Hit] = (await pit.page(None, size=9000)).hits
    await pit.close()
    return {(hit.id, hit.routing): hit.source for hit in hits}


async def fill(client: AsyncElasticsearch, index: str) -> None:
    await client.indices.create(index=index, mappings=UNMAPPED, settings={"number_of_shards": 2})
    for id, source in DOCUMENTS.items():
        for place, params in ((id, {}), (id[:500] + " r", {"routing": "r ü"})):
            await client.perform_request(
                "PUT", f"/{index}/_doc/{quote(place, safe='')}", body=source, params=params,
                headers={"accept": "application/json", "content-type": "application/json"},
            )  # fmt: skip


async def exported(client: AsyncElasticsearch, index: str, progress: Callable[[int, int], None]) -> bytes:
    out = io.BytesIO()

    async def write(lines: bytes) -> None:
        out.write(lines)

    await export(client, index, write, BACKOFF, progress)
    return out.getvalue()


@pytest.mark.usefixtures("worker")
async def test_what_was_exported_and_imported_is_the_same_to_the_byte(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str, tmp_path: Path
) -> None:
    old, new = f"{prefix}-old", f"{prefix}-new"
    await fill(client, old)
    await client.indices.create(index=new, mappings=UNMAPPED)
    seen: list[tuple[int, int]] = []
    lines = await exported(client, old, lambda done, total: seen.append((done, total)))
    with whole_file(tmp_path / "all.ndjson.gz") as file:
        file.write(lines)

    run = Run(queue, new)
    with opened(tmp_path / "all.ndjson.gz") as (content, _):
        tally = await run(content.read())

    assert seen[0] == (0, 10)
    assert seen[-1] == (10, 10)
    assert await stored(client, new) == await stored(client, old)
    assert (tally.lines, tally.enqueued, dict(tally.outcomes)) == (10, 10, {"created": 10})
    assert tally.faultless
    assert sorted(await asyncio.to_thread(lines.splitlines)) == sorted(
        (await exported(client, new, lambda done, total: None)).splitlines()
    )


@pytest.mark.usefixtures("worker")
async def test_bad_and_rejected_lines_are_told_by_number_and_the_others_go_on(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str
) -> None:
    await client.indices.create(index=prefix, mappings={"properties": {"n": {"type": "long"}}})
    lines = [b'{"sku":"%d","n":%d}' % (n, n) for n in range(10)]
    lines[2], lines[3], lines[6], lines[8] = b"{", b"", b'{"sku":"six","n":"x"}', b'{"n":1}'

    run = Run(queue, prefix, reader_by_field("sku"))
    tally = await run(b"\n".join(lines))

    assert run.bad == {
        3: (None, "bad_line"), 7: ("six", "document_parsing_exception"), 9: (None, "bad_line")
    }  # fmt: skip
    assert (tally.lines, tally.bad, tally.enqueued) == (10, 2, 7)
    assert dict(tally.outcomes) == {"created": 6, "rejected": 1}
    assert not tally.faultless
    assert {id for id, _ in await stored(client, prefix)} == {"0", "1", "4", "5", "7", "9"}


@pytest.mark.usefixtures("worker")
async def test_a_second_run_enqueues_only_what_the_first_has_not(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str
) -> None:
    content = b"".join(b'{"_id":"%d","_source":{"n":%d}}\n' % (n, n) for n in range(10))
    cut_off = await Run(queue, prefix)(content[: content.index(b'{"_id":"8"')])
    whole = await Run(queue, prefix)(content)
    again = await Run(queue, prefix, salt="again")(content)
    elsewhere = await Run(queue, f"{prefix}-2")(content)

    assert (cut_off.enqueued, cut_off.earlier) == (8, 0)
    assert (whole.enqueued, whole.earlier, dict(whole.outcomes)) == (10, 8, {"created": 10})
    assert (again.earlier, dict(again.outcomes)) == (0, {"updated": 10})
    assert (elsewhere.earlier, dict(elsewhere.outcomes)) == (0, {"created": 10})


@pytest.mark.usefixtures("worker")
async def test_a_line_that_was_too_long_for_the_first_run_is_written_by_the_second(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str
) -> None:
    lines = [b'{"_id":"%d","_source":{"n":%d}}\n' % (n, n) for n in range(8)]
    lines[1] = b'{"_id":"1","_source":{"t":"%b"}}\n' % (b"x" * 100)
    first, second = Run(queue, prefix), Run(queue, prefix)
    without = await first(b"".join(lines), longest_line=60)
    whole = await second(b"".join(lines))

    assert (without.bad, list(first.bad), without.enqueued) == (1, [2], 7)
    assert (whole.bad, whole.enqueued, whole.earlier) == (0, 8, 4)
    assert {id for id, _ in await stored(client, prefix)} == {f"{n}" for n in range(8)}


@pytest.mark.usefixtures("worker")
async def test_small_lines_are_written_beside_one_that_almost_fills_a_job(
    client: AsyncElasticsearch, redis_url: str, prefix: str
) -> None:
    lines = [b'{"_id":"%d","_source":{"n":%d}}\n' % (n, n) for n in range(20)]
    lines.insert(10, b'{"_id":"large","_source":{"t":"%b"}}\n' % (b"x" * 19_500))
    async with IndexQueue(redis_url, max_job_bytes=20_000) as queue:
        run = Run(queue, prefix)
        tally = await run(b"".join(lines), most_lines=100, longest_line=20_000)

    assert run.bad == {}
    assert (tally.enqueued, dict(tally.outcomes)) == (21, {"created": 21})
    assert len(await stored(client, prefix)) == 21


@pytest.mark.usefixtures("worker")
async def test_documents_whose_report_has_expired_are_not_known_to_be_written(
    queue: IndexQueue, redis: Redis, prefix: str
) -> None:
    content = b"".join(b'{"_id":"%d","_source":{"n":%d}}\n' % (n, n) for n in range(8))
    await Run(queue, prefix)(content)
    some, *_ = await redis.keys(f"{keys.RESULT_PREFIX}*")
    await redis.delete(some)
    second = await Run(queue, prefix)(content)

    assert (second.earlier, second.unknown, dict(second.outcomes)) == (8, 4, {"created": 4})
    assert not second.faultless


@pytest.mark.usefixtures("worker")
async def test_vectors_are_exported_and_imported(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str
) -> None:
    mappings = {"properties": {"v": {"type": "dense_vector", "dims": 3, "index": False}}}
    for index in (f"{prefix}-old", f"{prefix}-new"):
        await client.indices.create(index=index, mappings=mappings)
    await client.index(index=f"{prefix}-old", id="1", document={"v": [0.5, -1.25, 2.0]})

    await Run(queue, f"{prefix}-new")(await exported(client, f"{prefix}-old", lambda done, total: None))

    found = await stored(client, f"{prefix}-new")
    assert {place: orjson.loads(source) for place, source in found.items()} == {
        ("1", None): {"v": [0.5, -1.25, 2.0]}
    }


async def test_an_import_waits_while_the_queue_is_long(
    client: AsyncElasticsearch, queue: IndexQueue, prefix: str, start_worker: Any
) -> None:
    await queue.index(index=prefix, id="before", document={})
    run = Run(queue, prefix, most_waiting=0)
    importing = asyncio.create_task(run(b'{"_id":"1","_source":{}}\n'))
    async with asyncio.timeout(10):
        await run.waits.wait()

    assert (await queue.overview(0)).waiting == 1
    await start_worker()
    assert (await importing).outcomes == {"created": 1}


async def test_an_index_that_is_not_there_is_no_empty_export(client: AsyncElasticsearch, prefix: str) -> None:
    with pytest.raises(NotFoundError):
        await exported(client, prefix, lambda done, total: None)


async def test_an_empty_index_is_an_empty_export(client: AsyncElasticsearch, prefix: str) -> None:
    await client.indices.create(index=prefix, settings={"number_of_shards": 5})  # never held a document

    assert await exported(client, prefix, lambda done, total: None) == b""


async def test_an_index_that_keeps_parts_of_its_documents_is_not_exported(
    client: AsyncElasticsearch, prefix: str
) -> None:
    await client.indices.create(
        index=f"{prefix}-i", mappings={"_source": {"excludes": ["big"]}}, aliases={prefix: {}}
    )
    await client.index(index=prefix, id="1", document={"big": 1, "n": 1})

    with pytest.raises(ExportBroken, match=f"{prefix}-i can't be read in whole: .*excludes: big"):
        await exported(client, prefix, lambda done, total: None)
