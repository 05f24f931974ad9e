"""`penstock dead`: what it prints, what it asks, how it exits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from click.testing import Result
from redis.asyncio import Redis
from typer.testing import CliRunner

from jobs import DeadKind, IndexQueue, JobHandle
from tests.dead_letters import QUEUE, bury, rejected
from worker.cli import app

Penstock = Callable[..., Awaitable[Result]]


@pytest.fixture
def dead(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Penstock:
    """Run `penstock dead` with arguments, on this test's database; `answer` is typed in."""
    monkeypatch.setenv("PENSTOCK_REDIS_URL", redis_url)

    async def run(*arguments: str, answer: str | None = None) -> Result:
        # In a thread: the command runs an event loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, app, ["dead", *arguments], input=answer)

    return run


@pytest.fixture
async def letters(redis: Redis, queue: IndexQueue) -> list[JobHandle]:
    """Three dead letters, oldest first: two on products, one crasher on orders."""
    first = await queue.index(index="products", id="1", document={"price": "ask us"})
    second = await queue.index(index="products", id="2", document={"price": "ask"})
    third = await queue.index(index="orders", id="3", document={})
    await bury(redis, first, rejected(id="1"), died_ms=1_795_231_312_000)
    await bury(redis, second, rejected("strict_dynamic_mapping_exception", id="2"), died_ms=1_795_231_313_000)
    crashed = rejected("crashed", index="orders", id="3")
    await bury(redis, third, crashed, died_ms=1_795_231_314_000, kind=DeadKind.CRASHER)
    return [first, second, third]


async def test_nothing_is_dead(dead: Penstock) -> None:
    for arguments in (["list"], ["retry"], ["purge"]):
        done = await dead(*arguments)
        assert done.exit_code == 0, done.output
    assert (await dead("list")).stdout == "no dead letters\n"
    assert json.loads((await dead("list", "--json")).stdout) == []


async def test_list_is_newest_first_and_tells_how_to_go_on(dead: Penstock, letters: list[JobHandle]) -> None:
    page = await dead("list", "--limit", "2")
    rest = await dead("list", "--before", page.stdout.split("--before ")[1].strip())

    assert page.exit_code == rest.exit_code == 0
    assert page.stdout.index(letters[2].id) < page.stdout.index(letters[1].id)
    assert letters[0].id not in page.stdout
    assert letters[0].id in rest.stdout
    assert letters[1].id not in rest.stdout
    assert "--before" not in rest.stdout
    assert "failed to parse field [price]" in rest.stdout
    assert "ask us" not in rest.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--index", "products"], [1, 0]),
        (["--type", "crashed"], [2]),
        (["--kind", "rejected"], [1, 0]),
        (["--kind", "rejected", "--type", "crashed"], []),
        (["--older-than", "0s"], [2, 1, 0]),
        (["--older-than", "3650d"], []),
    ],
)
async def test_list_takes_a_choice(
    dead: Penstock, letters: list[JobHandle], arguments: list[str], expected: list[int]
) -> None:
    done = await dead("list", "--json", *arguments)

    assert [letter["id"] for letter in json.loads(done.stdout)] == [letters[n].id for n in expected]


async def test_show_has_reason_and_payload(dead: Penstock, redis: Redis, letters: list[JobHandle]) -> None:
    raw = await redis.hget(f"penstock:{QUEUE}:dead:{letters[0].id}", "raw")
    shown = await dead("show", letters[0].id)
    as_json = json.loads((await dead("show", letters[0].id, "--json")).stdout)

    for text in (letters[0].id, "document_parsing_exception", "failed to parse field [price]", "ask us"):
        assert text in shown.stdout
    assert as_json["arguments"]["document"] == {"price": "ask us"}
    assert as_json["raw"] == raw.decode()
    assert (await dead("show", letters[0].id, "--raw")).stdout_bytes == raw


async def test_show_of_what_is_not_there_is_exit_code_1(dead: Penstock) -> None:
    done = await dead("show", "nobody-knows")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == "no dead letter nobody-knows: never buried here, purged, or expired\n"


async def test_retry_by_id_names_the_new_job(dead: Penstock, redis: Redis, letters: list[JobHandle]) -> None:
    done = await dead("retry", letters[0].id)

    (new,) = await redis.zrange(QUEUE, 0, -1)
    assert done.exit_code == 0
    assert done.stdout == f"{letters[0].id} -> {new.decode()}\n1 retried, 0 not\n"

    again = await dead("retry", letters[0].id, "--json")
    assert json.loads(again.stdout) == {"jobs": {letters[0].id: new.decode()}, "refused": {}}


async def test_a_retry_that_fails_in_part_is_exit_code_1(
    dead: Penstock, redis: Redis, letters: list[JobHandle]
) -> None:
    done = await dead("retry", "nobody-knows", letters[0].id)

    assert done.exit_code == 1
    assert "1 retried, 1 not" in done.stdout
    assert "nobody-knows: no dead letter nobody-knows" in done.stderr
    assert await redis.zcard(QUEUE) == 1


async def test_retry_of_a_choice_asks_first(dead: Penstock, redis: Redis, letters: list[JobHandle]) -> None:
    refused = await dead("retry", "--index", "products", answer="n\n")
    assert refused.exit_code == 1
    assert "Retry 2 dead letters?" in refused.stderr
    assert await redis.zcard(QUEUE) == 0
    assert (await dead("retry", "--index", "products")).exit_code == 1, "nobody to answer"

    done = await dead("retry", "--index", "products", answer="y\n")
    assert done.exit_code == 0
    assert "2 retried, 0 not" in done.stdout
    assert (await dead("retry", "--yes", "--json")).exit_code == 0
    assert await redis.zcard(QUEUE) == 3


async def test_retry_can_keep_the_number(dead: Penstock, redis: Redis, letters: list[JobHandle]) -> None:
    await dead("retry", letters[0].id, "--keep-number", "--json")

    (new,) = await redis.zrange(QUEUE, 0, -1)
    assert b'"keep":true' in await redis.get(b"arq:job:" + new)


async def test_purge_by_id(dead: Penstock, queue: IndexQueue, letters: list[JobHandle]) -> None:
    done = await dead("purge", letters[0].id, "nobody-knows")

    assert done.exit_code == 1
    assert done.stdout == "1 purged\n"
    assert done.stderr == "1 of the ids had no dead letter\n"
    assert await queue.dead_letters.count() == 2
    assert (await dead("purge", letters[1].id)).exit_code == 0


async def test_purge_without_ids_asks_first(
    dead: Penstock, queue: IndexQueue, letters: list[JobHandle]
) -> None:
    refused = await dead("purge", answer="\n")
    assert refused.exit_code == 1
    assert "Purge 3 dead letters?" in refused.stderr
    assert await queue.dead_letters.count() == 3

    agreed = await dead("purge", "--kind", "crasher", answer="y\n")
    assert (agreed.exit_code, agreed.stdout.splitlines()[-1]) == (0, "1 purged")
    assert json.loads((await dead("purge", "--yes", "--json")).stdout) == {"purged": 2}
    assert await queue.dead_letters.count() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["purge", "some-id", "--older-than", "7d"], "give either ids or --older-than"),
        (["retry", "some-id", "--index", "products"], "give either ids or --index"),
        (["list", "--older-than", "soon"], "'soon'"),
        (["list", "--kind", "lost"], "'lost'"),
        (["list", "--limit", "0"], "--limit"),
        (["show"], "ID"),
    ],
)
async def test_wrong_usage_is_exit_code_2_and_names_the_value(
    dead: Penstock, letters: list[JobHandle], arguments: list[str], text: str
) -> None:
    done = await dead(*arguments)

    assert done.exit_code == 2
    assert text in done.stderr


async def test_another_queue_is_named_by_its_option(dead: Penstock, letters: list[JobHandle]) -> None:
    assert (await dead("list", "--queue", "other")).stdout == "no dead letters\n"


async def test_help_names_what_there_is(dead: Penstock) -> None:
    for command, texts in {
        "list": ("--limit", "--before", "--index", "--type", "--kind", "--older-than", "--json"),
        "show": ("--raw", "--json", "ID"),
        "retry": ("--keep-number", "--yes", "--json"),
        "purge": ("--yes", "--older-than"),
    }.items():
        done = await dead(command, "--help")
        assert done.exit_code == 0
        assert [text for text in texts if text not in done.stdout] == []
