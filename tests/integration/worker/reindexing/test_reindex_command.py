"""`penstock reindex`: what it prints and how it exits."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from worker.cli import app

from .conftest import Behind, Fill

Penstock = Callable[..., Awaitable[Result]]


@pytest.fixture
def penstock(redis_url: str, servers: Any, monkeypatch: pytest.MonkeyPatch) -> Penstock:
    """Run `penstock reindex` with arguments, on this test's database."""
    monkeypatch.setenv("PENSTOCK_REDIS_URL", redis_url)
    monkeypatch.setenv("PENSTOCK_ELASTICSEARCH_URL", servers.elasticsearch_url)

    async def run(*arguments: str) -> Result:
        # In a thread: the command runs an event loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, app, ["reindex", *arguments])

    return run


@pytest.mark.usefixtures("worker")
async def test_a_reindex_is_followed_to_its_end_and_rolled_back(
    penstock: Penstock, filled: Fill, behind: Behind, prefix: str, tmp_path: Path
) -> None:
    old = await filled(20)
    mappings = tmp_path / "mappings.json"
    mappings.write_text('{"properties": {"name": {"type": "keyword"}}}')

    started = await penstock(
        "start", prefix, "--mappings", str(mappings), "--settings", '{"number_of_shards": 2}', "--follow"
    )
    (new,) = await behind(prefix)
    listed = await penstock("list")
    shown = json.loads((await penstock("status", prefix, "--json")).stdout)
    back = await penstock("rollback", prefix, "--follow", "--json")

    assert started.exit_code == 0, started.output
    assert f"{new} has replaced {old}" in started.stdout
    assert "20 documents, 0 dropped" in started.stdout
    assert prefix in listed.stdout
    assert (shown["phase"], shown["done"], shown["kept_index"]) == ("done", 20, old)
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout)["report"]["details"]["new_index"] == old
    assert await behind(prefix) == [old]


@pytest.mark.usefixtures("worker")
async def test_a_failure_is_told_and_exits_with_1(penstock: Penstock, filled: Fill, prefix: str) -> None:
    await filled(3)

    done = await penstock("start", prefix, "--transform", "nowhere", "--follow")

    assert done.exit_code == 1
    assert "unknown_transform" in done.stdout
    assert "nowhere" in done.stdout
    shown = await penstock("status", prefix)
    assert "failed" in shown.stdout
    assert "nowhere" in shown.stdout


@pytest.mark.usefixtures("worker")
async def test_what_is_forgotten_can_not_be_rolled_back(
    penstock: Penstock, filled: Fill, behind: Behind, redis: Any, prefix: str
) -> None:
    old = await filled(3)
    await penstock("start", prefix, "--follow")

    forgotten = await penstock("forget", prefix, "--delete-index")
    back = await penstock("rollback", prefix, "--follow")

    assert forgotten.exit_code == 0, forgotten.output
    assert f"{old} deleted" in forgotten.stdout
    assert await behind(old) == []
    assert len(await behind(prefix)) == 1
    assert back.exit_code == 1
    assert "nothing_to_roll_back" in back.stdout


async def test_what_can_not_be_done_is_told_in_one_line(penstock: Penstock, prefix: str) -> None:
    for command in ("status", "cancel", "forget"):
        done = await penstock(command, prefix)
        assert done.exit_code == 1
        assert f"no reindex of '{prefix}' is known" in done.output
    wrong = await penstock("start", prefix, "--mappings", "nowhere.json")
    assert wrong.exit_code == 2
    assert "nowhere.json" in wrong.output
    assert (await penstock("list")).stdout == "no reindexes\n"
    waiting = await penstock("start", prefix)
    assert waiting.stdout.startswith("job ")
