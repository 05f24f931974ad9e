"""Jobs whose worker died: run in ever smaller company, alone at last, and ended where they kill again."""

from typing import Any

from redis.asyncio import Redis

from jobs import IndexQueue, JobStatus
from tests.claiming import claim, die, enqueue, everything_is_free, finish, ids
from worker.claims import CRASHER, Claimed, Claims


async def suspects(claims: Claims) -> list[Claimed]:
    return (await claims.claim_suspects()).jobs


async def test_after_one_death_they_run_among_suspects_only(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, two = await claims_of("dead"), await claims_of("two")
    handles = await enqueue(queue, *map(str, range(150)))
    await claim(dead, jobs=150)
    later = await enqueue(queue, "later")

    assert await die(redis, dead, two) == 150

    assert [await handle.status() for handle in handles] == [JobStatus.QUEUED] * 150
    found = await two.claim(10, 1_000_000, 10)
    assert (ids(found.jobs), found.suspects) == (ids(later), 150)
    first = await suspects(two)
    assert ids(first) == ids(handles)[:100]
    assert ids(await suspects(two)) == ids(handles)[100:]


async def test_after_each_death_in_company_they_run_in_smaller_company(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    other = await claims_of("other")
    await enqueue(queue, *map(str, range(20)))
    sizes = []
    for name in ("a", "b", "c", "d"):
        worker = await claims_of(name)
        sizes.append(len(await suspects(worker) or await claim(worker)))
        await die(redis, worker, other)

    assert sizes == [20, 20, 8, 1]


async def test_one_that_kills_three_times_alone_is_a_crasher(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    other = await claims_of("other")
    await enqueue(queue, "poison")
    tries = []
    for name in ("a", "b", "c"):
        worker = await claims_of(name)
        (job,) = await suspects(worker) or await claim(worker)
        tries.append(job.attempt)
        await die(redis, worker, other)

    (crasher,) = await suspects(other)

    assert tries == [0, 1, 1]
    assert crasher.attempt == CRASHER
    await finish(redis, other, [crasher])
    assert await everything_is_free(redis)
    assert not await redis.exists("penstock:arq:queue:suspects")


async def test_one_that_ends_is_no_suspect_any_more(queue: IndexQueue, redis: Redis, claims_of: Any) -> None:
    dead, two = await claims_of("dead"), await claims_of("two")
    await enqueue(queue, "1", "2")
    await claim(dead)
    await die(redis, dead, two)

    await finish(redis, two, await suspects(two))

    assert not await redis.exists("penstock:arq:queue:suspects")
    assert await everything_is_free(redis)


async def test_what_comes_later_on_their_documents_waits_behind_them(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, two, three = await claims_of("dead"), await claims_of("two"), await claims_of("three")
    first, second = await enqueue(queue, "1", "1")
    await claim(dead, jobs=1)
    assert await claim(two) == []
    await die(redis, dead, two)
    (third,) = await enqueue(queue, "1")

    assert await claim(two) == await claim(three) == []
    suspect = await suspects(two)
    assert ids(suspect) == [first.id]
    assert await claim(three) == []
    await finish(redis, two, suspect)
    assert ids(await claim(three)) == [second.id, third.id]


async def test_a_worker_that_lives_after_all_acquits_what_it_held(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    paused, two = await claims_of("paused"), await claims_of("two")
    handles = await enqueue(queue, "1", "2")
    held = await claim(paused)
    await die(redis, paused, two)

    await two.acquit([job.id for job in held])

    again = await claim(two)
    assert ids(again) == ids(handles)
    assert [job.attempt for job in again] == [1, 1]  # begun with before, by one that lives
    await finish(redis, two, again)
    assert not await redis.exists("penstock:arq:queue:suspects")


async def test_a_worker_that_leaves_accuses_nobody(queue: IndexQueue, claims_of: Any) -> None:
    leaving, two = await claims_of("leaving"), await claims_of("two")
    handles = await enqueue(queue, "1", "2")
    await claim(leaving)

    await leaving.reap(leaving="leaving")

    assert ids(await claim(two)) == ids(handles)
