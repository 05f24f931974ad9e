"""Each short example runs as a reader runs it: a process of its own, with a real worker beside it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from elasticsearch import AsyncElasticsearch

from embedded import EmbeddedServers

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 60
# Where the example of a source is to run on another database, such as PostgreSQL.
DATABASE = os.environ.get("EXAMPLE_DATABASE_URL")
# The names in the examples themselves; nothing but examples writes to them.
INDICES = ("penstock-example-products", "penstock-example-orders", "penstock-example-catalogue")


@pytest.fixture
def environment(servers: EmbeddedServers, redis_url: str) -> dict[str, str]:
    return os.environ | {
        "PENSTOCK_REDIS_URL": redis_url,
        "PENSTOCK_ELASTICSEARCH_URL": servers.elasticsearch_url,
    }


@pytest.fixture
async def clean_indices(elasticsearch: AsyncElasticsearch) -> AsyncIterator[None]:
    for index in INDICES:
        await elasticsearch.options(ignore_status=404).indices.delete(index=index)
    yield
    for index in INDICES:
        await elasticsearch.options(ignore_status=404).indices.delete(index=index)


@asynccontextmanager
async def running(environment: dict[str, str], *arguments: str) -> AsyncIterator[Process]:
    process = await create_subprocess_exec(
        sys.executable, "-W", "error", "-m", *arguments, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def worker(environment: dict[str, str], clean_indices: None) -> AsyncIterator[Process]:
    async with running(environment, "penstock", "worker") as process:
        yield process
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_SECONDS)
        assert process.returncode == 0, output.decode()


async def output_of(environment: dict[str, str], *arguments: str) -> str:
    """What the program prints. It must end by itself, with exit code 0."""
    async with running(environment, *arguments) as process:
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_SECONDS)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.usefixtures("worker")
async def test_enqueue(environment: dict[str, str], elasticsearch: AsyncElasticsearch) -> None:
    output = await output_of(environment, "examples.enqueue")

    assert output.splitlines()[:4] == [
        "42: created, attempt 1",
        "42: updated, attempt 1",
        "41: missing, attempt 1",
        "bulk: {'created': 1, 'updated': 1, 'missing': 1}",
    ]
    assert "failed: penstock-example-products/44 document_parsing_exception" in output
    kettle = await elasticsearch.get(index="penstock-example-products", id="42")
    assert kettle["_source"] == {"name": "Kettle", "price": 18, "stock": 7}


@pytest.mark.usefixtures("worker")
async def test_plain_arq(environment: dict[str, str], elasticsearch: AsyncElasticsearch) -> None:
    output = await output_of(environment, "examples.plain_arq")

    assert "result: {'outcome': 'created', 'index': 'penstock-example-products', 'id': '50'" in output
    assert "status: complete" in output
    assert "failed: penstock-example-products/51 document_parsing_exception" in output
    tray = await elasticsearch.get(index="penstock-example-products", id="50")
    assert tray["_source"] == {"name": "Tray", "price": 12}


@pytest.mark.usefixtures("worker")
async def test_idempotent(environment: dict[str, str], elasticsearch: AsyncElasticsearch) -> None:
    first, second, report = (await output_of(environment, "examples.idempotent")).splitlines()

    assert first.startswith("first delivery: enqueued as ")
    assert second == f"second delivery: a duplicate of {first.split()[-1]}"
    assert report.startswith("order 7: created, version ")
    order = await elasticsearch.get(index="penstock-example-orders", id="7")
    assert (order["_source"], order["_seq_no"]) == ({"paid": True}, 0)


async def test_producer_keeps_a_receipt_for_each_job(
    environment: dict[str, str], redis_url: str, tmp_path: Path
) -> None:
    documents, receipts = tmp_path / "documents", tmp_path / "receipts"
    documents.write_text('{"qualified_name": "a.b", "name": "b", "doc": ""}\n')
    files = (f"--documents={documents}", f"--receipts={receipts}")

    output = await output_of(environment, "examples.producer", "index", *files, "--index=stdlib", "--queue=q")

    assert '"acknowledged": 1' in output.splitlines()[-1]
    assert '"id": "a.b"' in receipts.read_text()


async def test_sqlalchemy_source(
    environment: dict[str, str], clean_indices: None, elasticsearch: AsyncElasticsearch, tmp_path: Path
) -> None:
    environment = environment | {
        "EXAMPLE_DATABASE_URL": DATABASE or f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite",
        "PENSTOCK_SOURCES": "examples.sqlalchemy_source:registry",
    }
    async with running(environment, "penstock", "worker") as worker:
        output = await output_of(environment, "examples.sqlalchemy_source")
        worker.send_signal(signal.SIGTERM)
        log, _ = await asyncio.wait_for(worker.communicate(), TIMEOUT_SECONDS)

    assert output.splitlines() == [
        "five rows: {'created': 5}",
        "one changed, one gone: {'updated': 1, 'deleted': 1}",
    ]
    assert worker.returncode == 0, log.decode()
    index = "penstock-example-catalogue"
    await elasticsearch.indices.refresh(index=index)
    found = await elasticsearch.search(index=index)
    assert {hit["_id"]: hit["_source"]["price"] for hit in found["hits"]["hits"]} == {
        "1": 9.5, "2": 1.0, "3": 1.5, "4": 2.0
    }  # fmt: skip
