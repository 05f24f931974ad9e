"""What a worker makes of a retried job: it is a job like any other, whose report names the dead letter."""

from __future__ import annotations

from typing import Any

from arq.worker import func
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from jobs import (
    DeadKind,
    DeleteDocument,
    IndexDocument,
    IndexQueue,
    JobHandle,
    LoadDocuments,
    Outcome,
    UpdateDocument,
    keys,
)
from jobs.envelope import serialize
from settings import Settings
from tests.dead_letters import QUEUE, bury, rejected
from tests.integration.worker.conftest import running
from worker.process import PenstockWorker

STRICT = {"dynamic": "strict", "properties": {"n": {"type": "long"}}}


async def retried(queue: IndexQueue, old: JobHandle | str, **options: Any) -> JobHandle:
    """The job that the retry of one dead letter makes."""
    id = old.id if isinstance(old, JobHandle) else old
    retries = await queue.dead_letters.retry([id], **options)
    assert retries.refused == {}
    return retries.jobs[id]


async def test_what_elasticsearch_rejected_is_written_when_the_cause_is_mended(
    queue: IndexQueue,
    worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    failure: Any,
    source: Any,
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings=STRICT)
    old = await queue.index(index=prefix, id="1", document={"extra": 1})
    assert (await failure(old)).rejected[0].type == "strict_dynamic_mapping_exception"

    in_vain = await retried(queue, old)
    again = await failure(in_vain)
    await elasticsearch.indices.put_mapping(index=prefix, dynamic="true")
    written = await report(await retried(queue, in_vain))

    assert (again.retry_of, again.rejected[0].type) == (old.id, "strict_dynamic_mapping_exception")
    assert (written.retry_of, written.outcome) == (in_vain.id, Outcome.CREATED)
    assert await source(prefix, "1") == {"extra": 1}
    assert await queue.dead_letters.count() == 0


async def test_a_bulk_that_failed_in_part_is_finished_in_its_order(
    queue: IndexQueue,
    worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    failure: Any,
    source: Any,
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings=STRICT)
    actions = (
        IndexDocument(index=prefix, id="a", document={"n": 1}),
        IndexDocument(index=prefix, id="b", document={"extra": 1}),
        IndexDocument(index=prefix, id="c", document={"n": 2}),
        UpdateDocument(index=prefix, id="b", doc={"extra": 2, "last": True}),
        DeleteDocument(index=prefix, id="d"),
    )
    old = await queue.bulk(index=prefix, actions=actions)
    assert [rejection.position for rejection in (await failure(old)).rejected] == [1, 3]
    await elasticsearch.indices.put_mapping(index=prefix, dynamic="true")
    await report(await queue.index(index=prefix, id="a", document={"n": 7}))

    finished = await report(await retried(queue, old))

    assert (finished.retry_of, finished.counts) == (old.id, {"created": 1, "updated": 1})
    assert await source(prefix, "b") == {"extra": 2, "last": True}
    assert await source(prefix, "a") == {"n": 7}  # what had been applied is not applied again


async def test_a_retried_write_is_the_newest_of_its_document(
    redis: Redis, queue: IndexQueue, start_worker: Any, prefix: str, report: Any, source: Any
) -> None:
    old = await queue.index(index=prefix, id="1", document={"n": "old"})
    await bury(redis, old, rejected(index=prefix, id="1"))
    await start_worker()
    newer = await report(await queue.index(index=prefix, id="1", document={"n": "newer"}))

    found = await report(await retried(queue, old))

    assert (found.retry_of, found.outcome) == (old.id, Outcome.UPDATED)
    assert found.version > newer.version
    assert await source(prefix, "1") == {"n": "old"}


async def test_of_a_retried_bulk_the_rejected_actions_are_applied(
    redis: Redis, queue: IndexQueue, start_worker: Any, prefix: str, report: Any, source: Any
) -> None:
    actions = (
        IndexDocument(index=prefix, id="1", document={"n": 1}),
        IndexDocument(index=prefix, id="2", document={"n": 2}),
        DeleteDocument(index=prefix, id="3"),
    )
    old = await queue.bulk(index=prefix, actions=actions)
    await bury(redis, old, rejected("type", 1, 2, index=prefix), name="bulk")
    await start_worker()

    found = await report(await retried(queue, old))

    assert found.counts == {"created": 1, "missing": 1}
    assert await source(prefix, "1") is None
    assert await source(prefix, "2") == {"n": 2}


async def test_a_retried_function_runs_where_a_worker_knows_it_now(
    redis: Redis, queue: IndexQueue, start_worker: Any, report: Any
) -> None:
    async def send_mail(ctx: Any, subject: str, *, to: str) -> str:
        return f"{subject} to {to}"

    members = {"f": "send_mail", "t": None, "a": ["hello"], "k": {"to": "you"}, "et": 1}
    await redis.set("arq:job:mail", serialize(members))
    await bury(redis, "mail", kind=DeadKind.UNKNOWN, name="send_mail")
    await start_worker(functions=[func(send_mail, name="send_mail")])

    found = await report(await retried(queue, "mail"))

    assert found.details == {"result": "hello to you"}
    assert found.retry_of is None  # its result is what the function answers, and nothing else


async def test_a_retried_function_that_fails_names_the_dead_letter(
    redis: Redis, queue: IndexQueue, settings: Settings, failure: Any
) -> None:
    async def send_mail(ctx: Any) -> None:
        raise ConnectionError("no mail today")

    await redis.set("arq:job:mail", serialize({"f": "send_mail", "t": None, "a": [], "k": {}, "et": 1}))
    await bury(redis, "mail", kind=DeadKind.UNKNOWN, name="send_mail")
    load = await queue.enqueue(LoadDocuments(source="catalogue", ids=("1",)))
    await bury(redis, load, kind=DeadKind.CRASHER, name="load")
    impatient = settings.model_copy(update={"park_unknown_seconds": 0})
    async with running(PenstockWorker(impatient, functions=[func(send_mail, name="send_mail")])):
        raised = await failure(await retried(queue, "mail"))
        unknown = await failure(await retried(queue, load))

    assert (raised.retry_of, raised.rejected[0].type) == ("mail", "ConnectionError")
    assert (unknown.retry_of, unknown.rejected[0].type) == (load.id, "unknown_source")


async def test_a_retried_job_that_is_refused_names_the_dead_letter(
    redis: Redis, queue: IndexQueue, start_worker: Any, prefix: str, failure: Any
) -> None:
    """What somebody has written there by hand: the client's own retries are checked before."""
    good = {"index": prefix, "id": "1", "document": {}}
    stored = {
        "payload": {"k": good | {"id": ""}},
        "keep": {"k": good, "keep": "yes"},
        "create": {"k": good | {"create": True}, "keep": True},
        "positions": {"k": good, "keep": True, "positions": [0, 1]},
    }
    for id, members in stored.items():
        body = serialize({"f": "index", "t": None, "a": [], "et": 1, "retry_of": f"old {id}"} | members)
        await redis.set(keys.JOB_PREFIX + id, b"P1 5 key\n" + body)
        await redis.zadd(QUEUE, {id: 1})

    await start_worker()

    for id, type in (
        ("payload", "invalid_job"),
        ("keep", "unreadable_job"),
        ("create", "invalid_job"),
        ("positions", "unreadable_job"),
    ):
        found = await failure(queue.job(id))
        assert (found.retry_of, found.rejected[0].type) == (f"old {id}", type)
    assert await queue.dead_letters.count() == 4
