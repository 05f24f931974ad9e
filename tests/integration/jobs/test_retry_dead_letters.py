"""A retry: a new job in the place of a dead letter, in one step, once, whatever is cut or repeated."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import (
    BulkWrite,
    DeadKind,
    DeleteDocument,
    Duplicate,
    Enqueued,
    IndexDocument,
    IndexQueue,
    InvalidJob,
    JobHandle,
    JobNotFound,
    UnreadableJob,
    keys,
)
from jobs.dead_letter_reader import LETTERS_PER_CALL
from jobs.envelope import StoredJob, document_key, serialize, split
from tests.dead_letters import DEAD, QUEUE, bury, dead_index, rejected
from worker.cancelling import end_tasks


@pytest.fixture
def stored(redis: Redis) -> Any:
    """What is stored for a job, in its parts."""

    async def read(job: JobHandle) -> StoredJob:
        return split(await redis.get(keys.JOB_PREFIX + job.id))

    return read


async def test_a_retry_is_a_new_job_that_names_the_old_one(
    redis: Redis, queue: IndexQueue, stored: Any
) -> None:
    old = await queue.index(index="products", id="42", document={"price": 12})
    old_number = (await stored(old)).number
    await bury(redis, old)

    retries = await queue.dead_letters.retry([old.id])

    assert (list(retries.jobs), retries.refused) == ([old.id], {})
    new = retries.jobs[old.id]
    assert type(new) is Enqueued
    assert new.id != old.id
    job = await stored(new)
    body = json.loads(job.body)
    assert (body["f"], body["retry_of"]) == ("index", old.id)
    assert body["k"] == {"index": "products", "id": "42", "document": {"price": 12}}
    assert job.document_keys == (document_key("products", "42"),)
    assert job.number > old_number
    assert await redis.zrange(QUEUE, 0, -1, withscores=True) == [(new.id.encode(), job.number / 1000)]
    assert await redis.pttl(keys.JOB_PREFIX + new.id) == -1
    assert await queue.dead_letters.count() == 0
    assert await redis.keys(f"{DEAD}:*") == []


async def test_the_next_job_comes_after_a_retry(redis: Redis, queue: IndexQueue, stored: Any) -> None:
    actions = [DeleteDocument(index="products", id=str(n)) for n in range(50)]
    bulk = await queue.enqueue(BulkWrite(index="products", actions=tuple(actions)))
    await bury(redis, bulk, rejected("type", *range(1, 50)), name="bulk")

    new = (await queue.dead_letters.retry([bulk.id])).jobs[bulk.id]
    later = await queue.index(index="products", id="49", document={})

    job = await stored(new)
    assert len(job.document_keys) == 49
    assert (await stored(later)).number >= job.number + 49


async def test_of_a_bulk_the_rejected_actions_go(redis: Redis, queue: IndexQueue, stored: Any) -> None:
    actions = (
        IndexDocument(index="products", id="1", document={"price": "ask"}),
        DeleteDocument(index="products", id="2"),
        IndexDocument(index="products", id="3", document={"price": "us"}),
    )
    bulk = await queue.bulk(index="products", actions=actions)
    await bury(redis, bulk, rejected("document_parsing_exception", 0, 2), name="bulk")

    new = (await queue.dead_letters.retry([bulk.id])).jobs[bulk.id]

    job = await stored(new)
    assert [action["id"] for action in json.loads(job.body)["k"]["actions"]] == ["1", "3"]
    assert job.document_keys == (document_key("products", "1"), document_key("products", "3"))


async def test_the_old_number_is_kept_if_asked(redis: Redis, queue: IndexQueue, stored: Any) -> None:
    old = await queue.index(index="products", id="42", document={})
    number = (await stored(old)).number
    await bury(redis, old)
    last = await redis.get(keys.LAST_NUMBER)

    new = (await queue.dead_letters.retry([old.id], keep_number=True)).jobs[old.id]

    job = await stored(new)
    assert job.number == number
    assert json.loads(job.body)["keep"] is True
    assert await redis.zscore(QUEUE, new.id) == number / 1000
    assert await redis.get(keys.LAST_NUMBER) == last


async def test_a_job_of_an_unknown_name_goes_as_it_is(redis: Redis, queue: IndexQueue, stored: Any) -> None:
    members = {"f": "send_mail", "t": None, "a": ["x"], "k": {"to": "y"}, "et": 1}
    await redis.set("arq:job:mail", serialize(members))
    await bury(redis, "mail", kind=DeadKind.UNKNOWN, name="send_mail")

    new = (await queue.dead_letters.retry(["mail"])).jobs["mail"]

    job = await stored(new)
    body = json.loads(job.body)
    assert (body["f"], body["a"], body["k"], body["retry_of"]) == ("send_mail", ["x"], {"to": "y"}, "mail")
    assert job.document_keys == ()


async def test_what_cannot_be_retried_stays_and_says_why(redis: Redis, queue: IndexQueue) -> None:
    await redis.set("arq:job:pickle", b"\x80\x04}.")
    await redis.set("arq:job:bad", serialize({"f": "index", "t": None, "a": [], "k": {"id": ""}, "et": 1}))
    await bury(redis, "pickle", kind=DeadKind.UNREADABLE)
    await bury(redis, "bad")
    good = await dead_index(redis, queue)

    retries = await queue.dead_letters.retry(["pickle", "bad", "never", good.id])

    assert list(retries.jobs) == [good.id]
    assert {id: type(error) for id, error in retries.refused.items()} == {
        "pickle": UnreadableJob,
        "bad": InvalidJob,
        "never": JobNotFound,
    }
    assert "a pickle, which is never loaded" in str(retries.refused["pickle"])
    assert {letter.id for letter in await queue.dead_letters.list()} == {"pickle", "bad"}


async def test_a_repeat_by_hand_finds_the_job_and_makes_no_second_one(
    redis: Redis, queue: IndexQueue
) -> None:
    old = await dead_index(redis, queue)
    first = (await queue.dead_letters.retry([old.id])).jobs[old.id]

    again = (await queue.dead_letters.retry([old.id])).jobs[old.id]

    assert type(again) is Duplicate
    assert again.id == first.id
    assert await redis.zcard(QUEUE) == 1
    assert 0 < await redis.pttl(keys.retried_prefix(QUEUE) + old.id) <= 86_400_000


async def test_two_who_retry_at_once_make_one_job(redis: Redis, redis_url: str, queue: IndexQueue) -> None:
    olds = [await dead_index(redis, queue, str(n)) for n in range(20)]

    async with IndexQueue(redis_url) as other:
        ids = [old.id for old in olds]
        one, two = await asyncio.gather(queue.dead_letters.retry(ids), other.dead_letters.retry(ids))

    assert one.refused == two.refused == {}
    assert {id: job.id for id, job in one.jobs.items()} == {id: job.id for id, job in two.jobs.items()}
    # Each of the new jobs was made by one of the two, and the other has been told so.
    for id in ids:
        assert {type(one.jobs[id]), type(two.jobs[id])} == {Enqueued, Duplicate}
    assert await redis.zcard(QUEUE) == 20


async def test_who_is_overtaken_after_reading_the_list_finds_the_job_of_the_other(
    redis: Redis, queue: IndexQueue
) -> None:
    old = await dead_index(redis, queue)
    purged = await dead_index(redis, queue, "43")
    found = await queue.dead_letters.list()
    first = (await queue.dead_letters.retry([old.id])).jobs[old.id]
    await queue.dead_letters.purge([purged.id])

    retrier = queue.dead_letters._retrier(keep_number=False)
    await retrier.take(found)

    assert {id: (type(job), job.id) for id, job in retrier.jobs.items()} == {old.id: (Duplicate, first.id)}
    assert {id: type(error) for id, error in retrier.refused.items()} == {purged.id: JobNotFound}
    assert await redis.zcard(QUEUE) == 1


async def test_an_id_that_dies_again_after_its_retry_is_retried_again(
    redis: Redis, queue: IndexQueue
) -> None:
    for price in (1, 2):
        arguments = {"index": "products", "id": "42", "document": {"price": price}}
        await redis.set(
            "arq:job:mine", serialize({"f": "index", "t": None, "a": [], "k": arguments, "et": 1})
        )
        await bury(redis, "mine")
        assert type((await queue.dead_letters.retry(["mine"])).jobs["mine"]) is Enqueued

    ids = await redis.zrange(QUEUE, 0, -1)
    bodies = [json.loads(split(await redis.get(b"arq:job:" + id)).body) for id in ids]
    assert [body["k"]["document"]["price"] for body in bodies] == [1, 2]


async def test_jobs_are_retried_in_the_order_of_their_deaths(redis: Redis, queue: IndexQueue) -> None:
    olds = [await dead_index(redis, queue, str(n)) for n in range(5)]

    retries = await queue.dead_letters.retry([old.id for old in reversed(olds)])

    assert await redis.zrange(QUEUE, 0, -1) == [retries.jobs[old.id].id.encode() for old in olds]


async def test_all_that_match_are_retried_with_progress_and_what_dies_meanwhile_is_not(
    redis: Redis, queue: IndexQueue
) -> None:
    number = LETTERS_PER_CALL + 5
    payloads = [IndexDocument(index="products", id=str(n), document={}) for n in range(number)]
    for handle in await queue.enqueue_many(payloads):
        await bury(redis, handle)
    other = await dead_index(redis, queue, report=rejected("other_type"))
    await redis.set("arq:job:pickle", b"\x80\x04}.")
    await bury(redis, "pickle")
    progress: list[int] = []
    deaths: list[asyncio.Task[int]] = []

    def die_again(done: int) -> None:
        progress.append(done)
        deaths.append(asyncio.create_task(bury(redis, f"dies at {done}")))

    retries = await queue.dead_letters.retry_all(type="document_parsing_exception", progress=die_again)
    await asyncio.gather(*deaths)

    assert len(retries.jobs) == number
    assert list(retries.refused) == ["pickle"]
    assert progress == [LETTERS_PER_CALL, number + 1]
    assert await redis.zcard(QUEUE) == number
    left = {letter.id for letter in await queue.dead_letters.list()}
    assert left == {other.id, "pickle", *(f"dies at {done}" for done in progress)}


async def test_large_payloads_go_in_calls_of_a_sane_size(redis: Redis, queue: IndexQueue) -> None:
    text = "x" * 400_000
    payloads = [IndexDocument(index="products", id=str(n), document={"text": text}) for n in range(10)]
    for handle in await queue.enqueue_many(payloads):
        await bury(redis, handle)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    retries = await queue.dead_letters.retry_all()

    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before
    assert len(retries.jobs) == 10
    assert calls >= 5  # two of them fit under the mark of a call


async def test_who_waits_for_retried_jobs_listens_on_the_one_subscription_of_the_queue(
    redis: Redis, queue: IndexQueue
) -> None:
    # Given the handles of a first retry and of a second one
    old = [await queue.index(index="products", id=f"{n}", document={}) for n in range(2)]
    await bury(redis, old[0])
    await bury(redis, old[1])
    first = (await queue.dead_letters.retry([old[0].id])).jobs[old[0].id]
    again = (await queue.dead_letters.retry([old[0].id])).jobs[old[0].id]
    second = (await queue.dead_letters.retry([old[1].id])).jobs[old[1].id]

    # When all of them are waited for
    waiting = [asyncio.create_task(job.result(timeout=20)) for job in (first, again, second)]
    async with asyncio.timeout(20):
        while await redis.hlen(keys.awaited(QUEUE)) < 2:  # noqa: ASYNC110 - it is Redis that knows
            await asyncio.sleep(0.01)

    # Then
    wishes = await redis.hgetall(keys.awaited(QUEUE))
    assert wishes == dict.fromkeys((first.id.encode(), second.id.encode()), queue._ended.channel.encode())
    await end_tasks(waiting)
