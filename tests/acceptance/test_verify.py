"""`penstock verify`, and the job of the same name: found, repaired by the worker, found no more."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, JobFailed

# A shelf is a file with a JSON object: id to document.
MODULE = """
import json
from pathlib import Path
from worker.registry import Record, Registry

registry = Registry()

@registry.source("shelf", index={index!r})
class Shelf:
    def rows(self):
        return json.loads(Path({file!r}).read_text())

    async def fetch(self, ids):
        rows = self.rows()
        return [Record(id, rows[id]) for id in ids if id in rows]

    async def all(self, after):
        yield [Record(id, row) for id, row in sorted(self.rows().items()) if after is None or id > after]
"""
Verify = Callable[..., Any]


@pytest.fixture
def shelf(tmp_path: Path, prefix: str) -> dict[str, str]:
    """The environment that names the source; its rows are 1 to 20."""
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({f"{n}": {"n": n} for n in range(1, 21)}))
    (tmp_path / "shelf_of_a_test.py").write_text(MODULE.format(index=prefix, file=str(file)))
    return {"PENSTOCK_SOURCES": "shelf_of_a_test:registry", "PYTHONPATH": str(tmp_path)}


@pytest.fixture
def verify(environment: dict[str, str], shelf: dict[str, str], prefix: str) -> Verify:
    """Run the command on the test's index; its exit code and what it printed."""

    async def run(*options: str) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "penstock", "verify", prefix, *options],
            env=environment | shelf,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


async def test_a_drifted_index_is_found_repaired_and_found_right(
    verify: Verify,
    start: Any,
    shelf: dict[str, str],
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
) -> None:
    worker = start(env=shelf)
    await (await queue.load(source="shelf", ids=[f"{n}" for n in range(1, 21)])).result(timeout=60)
    right = await (await queue.verify(index=prefix, source="shelf")).result(timeout=60)
    await elasticsearch.delete(index=prefix, id="1")
    await elasticsearch.index(index=prefix, id="2", document={"n": 3})
    await elasticsearch.index(index=prefix, id="21", document={"n": 21}, refresh=True)

    told = await verify("--source", "shelf", "--json")
    repaired = await verify("--source", "shelf", "--repair")
    for _ in range(200):
        if not (await queue.overview()).waiting:
            break
        await asyncio.sleep(0.05)
    after = await (await queue.verify(index=prefix, source="shelf")).result(timeout=60)
    assert await worker.stop() == 0

    assert (right.details["documents"], right.details["different"]) == (20, 0)
    assert told.returncode == 3, told.stderr
    found = json.loads(told.stdout)
    assert found["ids"] == {"missing": ["1"], "extra": ["21"], "different": ["2"]}
    assert repaired.returncode == 0, repaired.stderr
    assert "repairs enqueued" in repaired.stdout
    assert (after.details["missing"], after.details["extra"], after.details["different"]) == (0, 0, 0)


async def test_what_cannot_be_compared_is_said_in_one_line(verify: Verify) -> None:
    unknown = await verify("--source", "shoes")
    absent = await verify("--source", "shelf")

    assert unknown.returncode == 1
    assert "no source is named 'shoes' here; registered: shelf" in unknown.stderr
    assert absent.returncode == 1
    assert "no such index" in absent.stderr
    assert "Traceback" not in unknown.stderr + absent.stderr


async def test_an_index_without_sources_is_said_in_one_line_and_in_the_report(
    verify: Verify,
    start: Any,
    shelf: dict[str, str],
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings={"_source": {"enabled": False}})
    await elasticsearch.index(index=prefix, id="1", document={"n": 1}, refresh=True)
    start(env=shelf)

    told = await verify("--source", "shelf")
    with pytest.raises(JobFailed) as failed:
        await (await queue.verify(index=prefix, source="shelf")).result(timeout=60)

    assert told.returncode == 1
    assert "document '1' has no source" in told.stderr
    assert "Traceback" not in told.stderr
    rejection = failed.value.report.rejected[0]
    assert (rejection.type, rejection.reason[:31]) == (
        "unreadable_document",
        "document '1' has no source: doe",
    )
