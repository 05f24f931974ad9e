"""Dead letters from the producer's side: counted, listed page by page, shown, purged."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from jobs import DeadKind, IndexQueue, JobNotFound, keys
from jobs.dead_letter_reader import LETTERS_PER_CALL
from tests.dead_letters import DEAD, bury, rejected

HOUR_MS = 3_600_000


async def test_a_queue_without_dead_letters_has_none(redis: Redis, queue: IndexQueue) -> None:
    letters = queue.dead_letters

    assert await letters.count() == await letters.count(index="products") == 0
    assert await letters.list() == ()
    assert await letters.purge(older_than=timedelta(0)) == 0
    assert (await letters.retry_all()).jobs == {}
    assert await redis.dbsize() == 0


async def test_the_list_has_the_newest_first_and_no_payloads(redis: Redis, queue: IndexQueue) -> None:
    first = await queue.index(index="products", id="42", document={"text": "x" * 1_000})
    second = await queue.index(index="products", id="43", document={})
    await bury(redis, first, rejected(), died_ms=1_795_231_312_000, tries=2)
    await bury(redis, second, rejected("other_type"), died_ms=1_795_231_313_000)

    newest, oldest = await queue.dead_letters.list()

    assert (newest.id, oldest.id) == (second.id, first.id)
    assert (oldest.kind, oldest.name, oldest.tries) == (DeadKind.REJECTED, "index", 2)
    assert oldest.died_ms == 1_795_231_312_000
    assert oldest.raw_bytes > 1_000
    assert oldest.report == rejected()


async def test_the_time_of_the_last_letter_leads_to_the_next_page(redis: Redis, queue: IndexQueue) -> None:
    number = 2 * LETTERS_PER_CALL + 7
    for n in range(number):
        await bury(redis, str(n), died_ms=1_795_231_312_209)  # all in the same moment
    letters = queue.dead_letters

    found: list[str] = []
    page = await letters.list(limit=100)
    while page:
        found += [letter.id for letter in page]
        page = await letters.list(limit=100, before=page[-1].died_ms)

    assert found == [str(n) for n in reversed(range(number))]
    assert [letter.id for letter in await letters.list(limit=number)] == found
    assert await letters.list(limit=0) == ()
    assert await letters.count() == number


async def test_a_choice_is_found_behind_any_number_of_others(redis: Redis, queue: IndexQueue) -> None:
    await bury(redis, "early", rejected("rare_type", index="orders"))
    for n in range(LETTERS_PER_CALL + 5):
        await bury(redis, str(n), rejected())
    await bury(redis, "late", rejected("rare_type"), kind=DeadKind.CRASHER)
    letters = queue.dead_letters

    assert [letter.id for letter in await letters.list(type="rare_type")] == ["late", "early"]
    assert [letter.id for letter in await letters.list(index="orders", limit=1)] == ["early"]
    assert [letter.id for letter in await letters.list(kind=DeadKind.CRASHER)] == ["late"]
    assert await letters.list(index="orders", kind=DeadKind.CRASHER) == ()
    assert await letters.count(type="rare_type") == 2
    assert await letters.count(index="products") == LETTERS_PER_CALL + 6


async def test_what_has_expired_is_neither_listed_nor_counted(redis: Redis, queue: IndexQueue) -> None:
    for n in range(LETTERS_PER_CALL + 5):
        await bury(redis, str(n))
    await bury(redis, "stays")
    await redis.delete(
        *(f"{DEAD}:{n}" for n in range(LETTERS_PER_CALL + 5))
    )  # what their time to live comes to
    letters = queue.dead_letters

    assert [letter.id for letter in await letters.list()] == ["stays"]
    assert await letters.count() == 1
    assert await redis.zcard(DEAD) == 1
    assert await redis.hlen(f"{DEAD}-bytes") == 2


async def test_show_has_the_arguments_and_the_bytes(redis: Redis, queue: IndexQueue) -> None:
    handle = await queue.update(index="products", id="42", doc={"price": 7})
    raw = await redis.get(keys.JOB_PREFIX + handle.id)
    await bury(redis, handle, rejected(), name="update")

    shown = await queue.dead_letters.show(handle.id)

    assert (shown.letter.id, shown.letter.name, shown.raw) == (handle.id, "update", raw)
    assert shown.arguments == {"index": "products", "id": "42", "doc": {"price": 7}}
    assert shown.positional == []
    assert raw.startswith(b"P1 %d " % shown.number)


@pytest.mark.parametrize("raw", [b"\x80\x04}.", b"\xff\x00", b""])
async def test_show_has_the_bytes_alone_of_what_cannot_be_read(
    redis: Redis, queue: IndexQueue, raw: bytes
) -> None:
    await redis.set(keys.JOB_PREFIX.encode() + b"\xff", raw)
    await bury(redis, b"\xff", kind=DeadKind.UNREADABLE)

    (letter,) = await queue.dead_letters.list()
    shown = await queue.dead_letters.show(letter.id)

    assert letter.id == "\\xff"
    assert (shown.letter, shown.raw) == (letter, raw)
    assert shown.arguments is shown.positional is shown.number is None


async def test_show_of_what_is_not_dead_names_the_id(queue: IndexQueue) -> None:
    handle = await queue.index(index="products", id="42", document={})

    with pytest.raises(JobNotFound, match=f"no dead letter {handle.id}"):
        await queue.dead_letters.show(handle.id)


async def test_purge_by_id_counts_what_was_there_and_leaves_nothing_of_it(
    redis: Redis, queue: IndexQueue
) -> None:
    for id in ("a", b"\xff", "c"):
        await bury(redis, id)

    assert await queue.dead_letters.purge(["a", "\\xff", "never", "a"]) == 2

    assert [letter.id for letter in await queue.dead_letters.list()] == ["c"]
    assert await queue.dead_letters.purge(["c"]) == 1
    assert await queue.dead_letters.purge([]) == 0
    assert [key for key in await redis.keys("*") if key != f"{DEAD}-bytes".encode()] == []
    assert await redis.hgetall(f"{DEAD}-bytes") == {b"total": b"0"}


async def test_purge_by_age_leaves_the_younger_ones(redis: Redis, queue: IndexQueue) -> None:
    now_ms = time.time() * 1000
    for hours in (50, 30, 10):
        await bury(redis, f"{hours} h", died_ms=now_ms - hours * HOUR_MS)
    letters = queue.dead_letters

    assert await letters.count(older_than=timedelta(days=1)) == 2
    assert [letter.id for letter in await letters.list(older_than=timedelta(days=2))] == ["50 h"]
    assert await letters.purge(older_than=timedelta(days=1)) == 2
    assert [letter.id for letter in await letters.list()] == ["10 h"]
    assert await letters.purge(older_than=timedelta(0)) == 1
    assert await letters.count() == 0


async def test_purge_of_a_choice_tells_its_progress(redis: Redis, queue: IndexQueue) -> None:
    for n in range(LETTERS_PER_CALL + 5):
        await bury(redis, str(n), rejected(index="orders"))
    await bury(redis, "stays", rejected())
    progress: list[int] = []

    purged = await queue.dead_letters.purge(index="orders", progress=progress.append)

    assert purged == LETTERS_PER_CALL + 5
    assert progress == [LETTERS_PER_CALL, LETTERS_PER_CALL + 5]
    assert [letter.id for letter in await queue.dead_letters.list()] == ["stays"]


async def test_purge_needs_to_be_told_what(queue: IndexQueue) -> None:
    with pytest.raises(ValueError, match="purge: expected either ids or what to match"):
        await queue.dead_letters.purge()
    with pytest.raises(ValueError, match="purge: expected either ids or what to match"):
        await queue.dead_letters.purge(["a"], index="products")


async def test_queues_have_dead_letters_of_their_own(redis: Redis, redis_url: str, queue: IndexQueue) -> None:
    await bury(redis, "a")

    async with IndexQueue(redis_url, queue="other") as other:
        assert await other.dead_letters.count() == 0
        with pytest.raises(JobNotFound):
            await other.dead_letters.show("a")
