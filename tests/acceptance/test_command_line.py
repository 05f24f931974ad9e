"""The commands beside the worker, as processes: what they print and how they exit."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import IndexQueue

ROOT = Path(__file__).parents[2]
Penstock = Callable[..., Any]


@pytest.fixture
def penstock(environment: dict[str, str]) -> Penstock:
    """Run one command to its end; its exit code and what it printed."""

    async def run(*arguments: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "penstock", *arguments],
            cwd=ROOT,
            env=environment | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


async def test_job_show_prints_status_and_report(
    penstock: Penstock, queue: IndexQueue, start: Any, prefix: str, reports: Any
) -> None:
    handle = await queue.index(index=prefix, id="1", document={"text": "not to be shown"})
    waiting = await penstock("job", "show", handle.id)
    worker = start()
    (report,) = await reports([handle])
    ended = await penstock("job", "show", handle.id)
    as_json = await penstock("job", "show", handle.id, "--json")
    assert await worker.stop() == 0

    assert (waiting.returncode, waiting.stdout) == (0, f"job {handle.id}: queued\n")
    assert ended.returncode == 0
    for text in (f"job {handle.id}: complete", "created", prefix, str(report.version), str(report.batch)):
        assert text in ended.stdout
    assert "not to be shown" not in ended.stdout
    assert json.loads(as_json.stdout) == {
        "id": handle.id,
        "status": "complete",
        "report": report.to_wire(),
    }


async def test_job_show_and_info_tell_of_a_failed_job(
    penstock: Penstock, queue: IndexQueue, start: Any, prefix: str, reports: Any
) -> None:
    good = await queue.index(index=prefix, id="[bold]", document={})
    bad = await queue.update(index=prefix, id="[red]none[/]", doc={})
    idle = await penstock("info")
    worker = start()
    await reports([good, bad])

    shown = await penstock("job", "show", bad.id)
    info = await penstock("info")
    assert await worker.stop() == 0

    assert "2 waiting" in idle.stdout
    assert "no worker is running" in idle.stdout
    assert shown.returncode == 0
    assert "document_missing_exception" in shown.stdout
    assert "[red]none[/]" in shown.stdout
    assert info.returncode == 0
    for text in ("0 waiting", "0 in progress", "2 jobs", "1 failed", "1 created", "alive", str(worker.pid)):
        assert text in info.stdout, info.stdout
    for text in (bad.id, prefix, "[red]none[/]", "document_missing_exception"):
        assert text in info.stdout, info.stdout


async def test_an_id_that_nobody_knows(penstock: Penstock) -> None:
    done = await penstock("job", "show", "nobody-knows")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "job nobody-knows: never enqueued here, or its report has expired\n"


@pytest.mark.parametrize("command", [("info",), ("job", "show", "1")])
async def test_without_redis_one_line_and_exit_code_1(
    penstock: Penstock, free_port: int, command: tuple[str, ...]
) -> None:
    done = await penstock(
        *command, env={"PENSTOCK_REDIS_URL": f"redis://user:a-secret@127.0.0.1:{free_port}/0"}
    )

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{free_port}" in done.stderr
    assert "Redis" in done.stderr
    assert "a-secret" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", [("export", "products"), ("verify", "products", "--source", "shop")])
async def test_without_elasticsearch_one_line_and_exit_code_1(
    penstock: Penstock, free_port: int, command: tuple[str, ...]
) -> None:
    done = await penstock(*command, env={"PENSTOCK_ELASTICSEARCH_URL": f"http://127.0.0.1:{free_port}"})

    assert done.returncode == 1
    assert done.stderr.startswith("Elasticsearch: ")
    assert "Traceback" not in done.stderr


async def test_settings_masks_every_secret(penstock: Penstock) -> None:
    secrets = {
        "PENSTOCK_REDIS_URL": "redis://:redis-secret@localhost:6379/0",
        "PENSTOCK_ELASTICSEARCH_USERNAME": "indexer",
        "PENSTOCK_ELASTICSEARCH_PASSWORD": "elastic-secret",
        "PENSTOCK_BATCH_MAX_ACTIONS": "321",
    }

    done = await penstock("settings", env=secrets)

    assert done.returncode == 0
    assert "secret" not in done.stdout + done.stderr
    for text in ("PENSTOCK_REDIS_URL", "localhost:6379", "indexer", "321", "environment", "default", "***"):
        assert text in done.stdout, done.stdout


async def test_wrong_settings_are_exit_code_2(penstock: Penstock) -> None:
    done = await penstock("info", env={"PENSTOCK_LEASE_SECONDS": "soon"})

    assert done.returncode == 2
    assert done.stdout == ""
    assert "PENSTOCK_LEASE_SECONDS" in done.stderr
    assert "soon" in done.stderr


async def test_a_variable_that_is_no_setting_is_named(penstock: Penstock) -> None:
    done = await penstock("settings", env={"PENSTOCK_REDIS_URI": "redis://localhost"})

    assert done.returncode == 0
    assert "PENSTOCK_REDIS_URI" in done.stderr


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        (("--help",), ("worker", "job", "info", "settings", "services")),
        (("worker", "--help"), ("--processes", "--burst", "--queue")),
        (("job", "show", "--help"), ("--json", "ID")),
    ],
)
async def test_help_names_what_there_is(
    penstock: Penstock, command: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    done = await penstock(*command)

    assert done.returncode == 0
    for text in texts:
        assert text in done.stdout
