"""Ten thousand jobs of concurrent producers, and one bad document among a thousand."""

import asyncio
from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import IndexDocument, IndexQueue, JobHandle, Outcome

PRODUCERS = 4
EACH = 2500


def document(producer: int, n: int) -> dict[str, Any]:
    return {"producer": producer, "n": n, "text": f"Document {n} of producer {producer}, ünïcode 漢字"}


async def produce(redis_url: str, index: str, producer: int) -> list[JobHandle]:
    """One service: half of its jobs one by one, half of them many at a time."""
    payloads = [
        IndexDocument(index=index, id=f"{producer}/{n}", document=document(producer, n)) for n in range(EACH)
    ]
    async with IndexQueue(redis_url) as queue:
        handles = [await queue.enqueue(payload) for payload in payloads[: EACH // 2]]
        return handles + await queue.enqueue_many(payloads[EACH // 2 :])


async def test_ten_thousand_jobs_of_concurrent_producers(
    start: Any, redis_url: str, prefix: str, reports: Any, documents: Any, left_open: Any
) -> None:
    worker = start()
    await worker.says("works on arq:queue")

    produced = await asyncio.gather(*(produce(redis_url, prefix, n) for n in range(PRODUCERS)))
    handles = [handle for some in produced for handle in some]
    found = await reports(handles)

    assert len({handle.id for handle in handles}) == PRODUCERS * EACH
    assert {report.outcome for report in found} == {Outcome.CREATED}
    sent = {f"{p}/{n}": document(p, n) for p in range(PRODUCERS) for n in range(EACH)}
    assert [report.id for report in found] == list(sent)
    assert await documents(prefix) == sent
    batches = {report.batch for report in found}
    assert len(batches) < PRODUCERS * EACH / 10, f"{len(batches)} bulk requests"
    assert await worker.stop() == 0
    assert left_open([worker]) == []


async def test_one_bad_document_among_a_thousand(
    start: Any,
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    reports: Any,
    documents: Any,
) -> None:
    await elasticsearch.indices.create(index=prefix, mappings={"properties": {"price": {"type": "float"}}})
    sent: dict[str, Any] = {f"{n}": {"price": n} for n in range(1000)}
    sent["617"] = {"price": "on request"}
    handles = await queue.enqueue_many(
        IndexDocument(index=prefix, id=id, document=content) for id, content in sent.items()
    )

    start()
    found = await reports(handles)

    bad = found.pop(617)
    assert {report.outcome for report in found} == {Outcome.CREATED}
    assert bad.outcome is Outcome.REJECTED
    (rejection,) = bad.rejected
    assert (rejection.index, rejection.id) == (prefix, "617")
    assert rejection.type == "document_parsing_exception"
    assert "[price]" in rejection.reason
    assert "on request" in rejection.reason
    del sent["617"]
    assert await documents(prefix) == sent
