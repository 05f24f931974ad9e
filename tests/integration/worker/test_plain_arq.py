"""Jobs of a service that has arq and not our client: admitted, numbered, in order, read back by arq."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import IndexQueue, JobFailed, Outcome, deserialize, keys
from jobs.envelope import document_key, split
from tests.claiming import claim
from worker.claims import Claimed
from worker.process import PenstockWorker

SECONDS = 20.0


async def enqueue(pool: ArqRedis, name: str, **arguments: Any) -> "Job":
    job = await pool.enqueue_job(name, **arguments)
    assert job is not None
    return job


async def test_its_job_is_run_and_arq_reads_status_and_result(
    pool: ArqRedis, start_worker: Any, queue: IndexQueue, prefix: str, source: Any
) -> None:
    job = await enqueue(pool, "index", index=prefix, id="1", document={"a": 1})
    assert await job.status() is JobStatus.queued

    await start_worker()
    result = await job.result(timeout=SECONDS, poll_delay=0.01)

    assert (result["outcome"], result["index"], result["id"]) == ("created", prefix, "1")
    assert await job.status() is JobStatus.complete
    assert (await queue.job(job.job_id).result()).outcome is Outcome.CREATED
    info = await job.result_info()
    assert info is not None
    assert (info.function, info.success, info.kwargs) == ("index", True, {})
    assert await source(prefix, "1") == {"a": 1}


async def test_arq_raises_the_failure_with_its_report(
    pool: ArqRedis, worker: PenstockWorker, prefix: str
) -> None:
    job = await enqueue(pool, "update", index=prefix, id="none", doc={"a": 1})

    with pytest.raises(JobFailed, match=f"{prefix}/none document_missing_exception") as failed:
        await job.result(timeout=SECONDS, poll_delay=0.01)

    assert failed.value.report.rejected[0].id == "none"


async def test_our_job_is_read_by_arq_while_it_waits_and_when_it_has_ended(
    pool: ArqRedis, queue: IndexQueue, start_worker: Any, prefix: str
) -> None:
    handle = await queue.index(index=prefix, id="1", document={"a": 1})
    job = Job(handle.id, pool, _deserializer=deserialize)
    waiting = await job.info()
    assert waiting is not None
    assert waiting.function == "index"
    assert waiting.kwargs == {"index": prefix, "id": "1", "document": {"a": 1}}

    await start_worker()

    assert (await job.result(timeout=SECONDS, poll_delay=0.01))["outcome"] == "created"


async def test_it_takes_its_number_when_a_worker_first_sees_it(
    pool: ArqRedis, redis: Redis, claims_of: Any, prefix: str
) -> None:
    claims = await claims_of("looks")
    job = await enqueue(pool, "index", index=prefix, id="1", document={})
    found: list[Claimed] = []
    while not found:  # arq rounds the time: a job is due up to half a millisecond after its enqueue
        found = (await claims.claim(10, 1_000_000, 10)).jobs
    (seen,) = found
    key = document_key(prefix, "1")

    (number,) = await claims.admit([(seen.id, [key])], reorder=True)
    (again,) = await claims.admit([(seen.id, [key])], reorder=True)
    stored = split(await redis.get(f"arq:job:{job.job_id}"))

    assert not seen.admitted
    assert number == again == stored.number
    assert stored.document_keys == (key,)
    assert await redis.ttl(f"arq:job:{job.job_id}") == -1
    assert await redis.zscore("arq:queue", job.job_id) == number / 1000
    assert await redis.get("penstock:last-number") == str(number).encode()


async def test_one_that_two_workers_were_handed_stays_with_the_one_that_claims_it_first(
    pool: ArqRedis, queue: IndexQueue, redis: Redis, claims_of: Any, prefix: str
) -> None:
    one, two = await claims_of("one"), await claims_of("two")
    job = await enqueue(pool, "index", index=prefix, id="1", document={})
    await redis.zadd("arq:queue", {job.job_id: 1})  # due, whatever arq has rounded
    documents = [document_key(prefix, "1")]
    (seen,), (seen_too,) = await claim(one), await claim(two)
    (number,) = await one.admit([(seen.id, documents)], reorder=True)
    (held,) = await claim(one)
    free = await queue.index(index=prefix, id="2", document={})

    assert await two.admit([(seen_too.id, documents)], reorder=True) == [number]

    assert held.id == seen_too.id
    assert await redis.zscore("arq:queue", job.job_id) == keys.CLAIMED_SCORE
    # Among what is due it would be in the way of all others.
    assert await redis.zrangebyscore("arq:queue", "-inf", keys.CLAIMED_SCORE - 1) == [free.id.encode()]


async def test_the_version_of_its_document_is_that_number(
    pool: ArqRedis, worker: PenstockWorker, redis: Redis, elasticsearch: AsyncElasticsearch, prefix: str
) -> None:
    job = await enqueue(pool, "index", index=prefix, id="1", document={})
    result = await job.result(timeout=SECONDS, poll_delay=0.01)

    number = int(await redis.get("penstock:last-number"))
    assert result["version"] == number * 1024
    assert (await elasticsearch.get(index=prefix, id="1"))["_version"] == number * 1024


async def test_the_order_of_its_jobs_is_kept(
    pool: ArqRedis, queue: IndexQueue, start_worker: Any, prefix: str, source: Any
) -> None:
    async def a_millisecond_later() -> None:
        # arq's scores are whole milliseconds: two jobs of one are ordered by their random ids.
        await asyncio.sleep(0.0015)

    last = []
    for n in range(60):
        last.append(await enqueue(pool, "index", index=prefix, id=f"{n % 3}", document={"n": n}))
        await a_millisecond_later()
    for n in range(3):
        last.append(await enqueue(pool, "update", index=prefix, id=f"{n}", doc={"updated": n}))
        await a_millisecond_later()
    last.append(await enqueue(pool, "delete", index=prefix, id="2"))

    await start_worker()
    await start_worker()
    results = [await job.result(timeout=SECONDS, poll_delay=0.01) for job in last]

    # One that was overtaken in the buffer never travelled; one that was refused as stale did.
    assert not [result for result in results if result["outcome"] == "superseded" and result["attempts"]]
    assert results[-1]["outcome"] == "deleted"
    assert await source(prefix, "0") == {"n": 57, "updated": 0}
    assert await source(prefix, "1") == {"n": 58, "updated": 1}
    assert await source(prefix, "2") is None


async def test_a_deferred_job_counts_as_enqueued_when_it_is_due(
    pool: ArqRedis, worker: PenstockWorker, queue: IndexQueue, prefix: str, report: Any, source: Any
) -> None:
    deferred = await enqueue(
        pool, "index", index=prefix, id="1", document={"deferred": True}, _defer_by=timedelta(seconds=0.5)
    )
    assert await deferred.status() is JobStatus.deferred
    await report(await queue.index(index=prefix, id="1", document={"deferred": False}))

    result = await deferred.result(timeout=SECONDS, poll_delay=0.01)

    assert result["outcome"] == "updated"
    assert await source(prefix, "1") == {"deferred": True}
