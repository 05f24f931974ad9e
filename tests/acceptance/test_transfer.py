"""`penstock export` and `penstock import` as processes: a round trip, a kill in the middle, bad lines."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import keys
from tests.processes import ROOT, SECONDS, until

Penstock = Callable[..., Any]
LINE = b'{"_id":"%d","_source":{"n":%d,"exact":0.10,"t":"\xc3\xa9"}}\n'
COMMAND = (sys.executable, "-m", "penstock")


@pytest.fixture
def penstock(environment: dict[str, str]) -> Penstock:
    """Run one command to its end, with bytes in and out."""

    async def run(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return await asyncio.to_thread(
            subprocess.run, [*COMMAND, *arguments], cwd=ROOT, env=environment,
            input=stdin, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    return run


@pytest.fixture
async def index(elasticsearch: AsyncElasticsearch, prefix: str) -> str:
    """One shard, so that every write takes the next sequence number."""
    await elasticsearch.indices.create(
        index=prefix, settings={"number_of_shards": 1, "number_of_replicas": 0, "gc_deletes": "1h"}
    )
    return prefix


async def writes(elasticsearch: AsyncElasticsearch, index: str) -> int:
    """How many writes the index has taken."""
    told = await elasticsearch.indices.stats(index=index, level="shards")
    return int(told["indices"][index]["shards"]["0"][0]["seq_no"]["max_seq_no"]) + 1


async def test_an_import_killed_in_the_middle_goes_on_where_it_was(
    penstock: Penstock,
    environment: dict[str, str],
    start: Any,
    elasticsearch: AsyncElasticsearch,
    index: str,
    tmp_path: Path,
) -> None:
    lines = [LINE % (n, n) for n in range(2300)]
    worker = start()
    killed = await asyncio.create_subprocess_exec(
        *COMMAND, "import", index, "-", cwd=ROOT, env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert killed.stdin is not None
    killed.stdin.write(b"".join(lines[:1300]))
    await killed.stdin.drain()

    async def two_parts_are_written() -> bool:
        return await writes(elasticsearch, index) == 1000

    await until(two_parts_are_written, SECONDS, lambda: "two parts of 500 lines were not written")
    killed.kill()
    await killed.wait()

    path = tmp_path / "all.ndjson"
    path.write_bytes(b"".join(lines))
    second = await penstock("import", index, str(path))
    shown = await penstock("export", index, "-")
    assert await worker.stop() == 0

    assert (second.returncode, shown.returncode) == (0, 0), second.stderr + shown.stderr
    assert b"enqueued by an earlier run" in second.stdout
    assert b"1000" in second.stdout
    assert await writes(elasticsearch, index) == 2300
    assert sorted(shown.stdout.splitlines(keepends=True)) == sorted(lines)


async def test_a_pipe_with_a_name_is_imported_to_its_end(
    penstock: Penstock, start: Any, elasticsearch: AsyncElasticsearch, index: str
) -> None:
    worker = start()
    done = await penstock("import", index, "/dev/stdin", stdin=b"".join(LINE % (n, n) for n in range(600)))
    assert await worker.stop() == 0

    assert done.returncode == 0, done.stderr
    assert await writes(elasticsearch, index) == 600


async def test_bad_lines_end_with_1_and_are_told_in_full(
    penstock: Penstock, start: Any, index: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.ndjson"
    worker = start()
    content = b"".join([LINE % (1, 1), b"{[markup]\n", LINE % (2, 2), b'{"_id":"3","_source":{"n":"x"}}\n'])
    done = await penstock("import", index, "-", "--bad-lines", str(bad), stdin=gzip.compress(content))
    exported = await penstock("export", index, str(tmp_path / "out.ndjson.gz"))
    assert await worker.stop() == 0

    told = [json.loads(line) for line in bad.read_text().splitlines()]
    assert done.returncode == 1
    assert sorted((one["line"], one["id"], one["type"]) for one in told) == [
        (2, None, "bad_line"),
        (4, "3", "document_parsing_exception"),
    ]
    assert b"line 2: bad_line: not JSON" in done.stderr
    assert exported.returncode == 0
    assert b"2 documents written" in exported.stderr
    assert sorted(gzip.decompress((tmp_path / "out.ndjson.gz").read_bytes()).splitlines(keepends=True)) == [
        LINE % (1, 1),
        LINE % (2, 2),
    ]


async def test_a_second_run_without_reports_ends_with_1_and_says_what_to_do(
    penstock: Penstock, start: Any, redis: Redis, index: str, tmp_path: Path
) -> None:
    path = tmp_path / "two.ndjson"
    path.write_bytes(LINE % (1, 1) + b'{"_id":"2","_source":{"n":"x"}}\n')
    worker = start()
    first = await penstock("import", index, str(path))
    await redis.delete(*await redis.keys(f"{keys.RESULT_PREFIX}*"))
    second = await penstock("import", index, str(path))
    again = await penstock("import", index, str(path), "--again")
    assert await worker.stop() == 0

    assert (first.returncode, second.returncode, again.returncode) == (1, 1, 1)
    last = second.stderr.splitlines()[-1]
    assert last.startswith(b"2 documents: an earlier run enqueued them and their reports have expired")
    assert b"--again imports the whole file again" in last
    assert b"line 2 (2): document_parsing_exception" in again.stderr
    assert b"expired" not in again.stderr


async def test_what_can_not_be_done_is_one_line_and_leaves_no_file(
    penstock: Penstock, prefix: str, tmp_path: Path
) -> None:
    missing = await penstock("export", prefix, str(tmp_path / "out.ndjson"))
    bad_name = await penstock("import", "Big", "-", stdin=LINE % (1, 1))

    for done in (missing, bad_name):
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
    assert b"no such index" in missing.stderr
    assert b"must be lowercase" in bad_name.stderr
    assert os.listdir(tmp_path) == []
