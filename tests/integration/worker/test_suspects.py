"""Jobs whose worker died: run in ever smaller company, alone at last, and ended where they kill again."""

from typing import Any

from redis.asyncio import Redis

from jobs import IndexQueue, JobStatus
from tests.claiming import claim, claim_suspects, deaths, die, enqueue, everything_is_free, finish, ids
from worker.claims import CRASHER


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
    first = await claim_suspects(two)
    assert ids(first) == ids(handles)[:100]
    assert ids(await claim_suspects(two)) == ids(handles)[100:]


async def test_no_more_of_them_are_claimed_than_there_is_room_for(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, two = await claims_of("dead"), await claims_of("two")
    handles = await enqueue(queue, *map(str, range(10)))
    sizes = [len(job.raw) for job in await claim(dead)]
    await die(redis, dead, two)

    by_bytes = await claim_suspects(two, max_bytes=sum(sizes[:3]) + 1)
    by_count = await claim_suspects(two, jobs=2)
    one_at_least = await claim_suspects(two, max_bytes=1)

    assert ids(by_bytes) == ids(handles)[:4], "the one that goes beyond the bytes is the last"
    assert ids(by_count) == ids(handles)[4:6]
    assert ids(one_at_least) == ids(handles)[6:7]
    assert len(await claim_suspects(two)) == 3


async def test_after_each_death_in_company_they_run_in_smaller_company(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    other = await claims_of("other")
    await enqueue(queue, *map(str, range(20)))
    sizes = []
    for name in ("a", "b", "c", "d"):
        worker = await claims_of(name)
        sizes.append(len(await claim_suspects(worker) or await claim(worker)))
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
        (job,) = await claim_suspects(worker) or await claim(worker)
        tries.append(job.attempt)
        await die(redis, worker, other)

    (crasher,) = await claim_suspects(other)

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

    await finish(redis, two, await claim_suspects(two))

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
    suspect = await claim_suspects(two)
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


async def test_what_its_worker_held_beside_a_suspect_is_not_blamed_for_the_suspects_death(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, next_one, other = await claims_of("dead"), await claims_of("next"), await claims_of("other")
    (suspect,) = await enqueue(queue, "suspect")
    await claim(dead)
    await die(redis, dead, other)
    (stuck,) = await enqueue(queue, "stuck")
    await claim(next_one)
    assert ids(await claim_suspects(next_one)) == [suspect.id]

    await die(redis, next_one, other)

    again = await claim(other)
    assert [(job.id.decode(), job.attempt) for job in again] == [(stuck.id, 1)]
    assert await deaths(redis, suspect) == 5, "the first one was alone as well"
    assert ids(await claim_suspects(other)) == [suspect.id]


async def test_a_death_after_the_next_claim_is_everybodys(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    dead, next_one, other = await claims_of("dead"), await claims_of("next"), await claims_of("other")
    first, second = await enqueue(queue, "1", "2")
    await claim(dead)
    await die(redis, dead, other)
    assert len(await claim_suspects(next_one)) == 2
    (later,) = await enqueue(queue, "later")
    assert ids(await claim(next_one)) == [later.id]

    await die(redis, next_one, other)

    assert [await deaths(redis, handle) for handle in (first, second, later)] == [2, 2, 1]


async def test_suspects_that_wait_for_others_do_not_hide_the_rest(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    """The first ones of each document are run by one worker: 540 wait behind them, the last for nobody."""
    dead, two, three = await claims_of("dead"), await claims_of("two"), await claims_of("three")
    *_, last = await enqueue(queue, *[str(n % 10) for n in range(640)], "free")
    await claim(dead, jobs=1000)
    assert await die(redis, dead, two) == 641
    assert len(await claim_suspects(two)) == 100

    assert ids(await claim_suspects(three)) == [last.id]


async def test_one_that_is_under_suspicion_again_before_it_was_acquitted_stays_so_for_the_later_death(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    paused, dead, two = await claims_of("paused"), await claims_of("dead"), await claims_of("two")
    handles = await enqueue(queue, "1", "2")
    held = await claim(paused)
    await die(redis, paused, two)
    assert ids(await claim_suspects(dead)) == ids(handles)

    await two.acquit([job.id for job in held])

    assert [await deaths(redis, handle) for handle in handles] == [0, 0]
    await die(redis, dead, two)
    assert [await deaths(redis, handle) for handle in handles] == [1, 1]
    assert await claim(two) == []
    assert ids(await claim_suspects(two)) == ids(handles)


async def test_a_worker_whose_lost_lease_nobody_has_noticed_gives_its_jobs_back_without_suspicion(
    queue: IndexQueue, redis: Redis, claims_of: Any
) -> None:
    """The order in which a new session does it: see Session._acquit."""
    paused, new = await claims_of("paused"), await claims_of("new")
    handles = await enqueue(queue, "1", "2")
    held = await claim(paused)
    await redis.delete("penstock:arq:queue:worker:paused")

    assert await new.reap(leaving="paused") == {"paused": 2}
    await new.acquit([job.id for job in held])

    again = await claim(new)
    assert [(job.id.decode(), job.attempt) for job in again] == [(handle.id, 1) for handle in handles]
    assert await claim_suspects(new) == []
