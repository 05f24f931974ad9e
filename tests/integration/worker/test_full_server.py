"""Script updates and ingest pipelines, which the embedded Elasticsearch has not.

Where PENSTOCK_ELASTICSEARCH_URL names a full server their success is asserted; elsewhere the real refusal of
the server that is there. The server itself is asked which of the two it is.
"""

from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, Outcome
from worker.process import PenstockWorker


async def test_a_scripted_update(
    queue: IndexQueue,
    worker: PenstockWorker,
    prefix: str,
    report: Any,
    failure: Any,
    source: Any,
    full_server: bool,
) -> None:
    await report(await queue.index(index=prefix, id="1", document={"n": 1}))
    behind = {"source": "ctx._source.n += params.by", "params": {"by": 2}}
    handle = await queue.update(index=prefix, id="1", script=behind)

    if full_server:
        assert (await report(handle)).outcome is Outcome.UPDATED
        assert await source(prefix, "1") == {"n": 3}
    else:
        (rejection,) = (await failure(handle)).rejected
        assert rejection.type == "illegal_argument_exception"
        assert "script_lang not supported [painless]" in rejection.reason
        assert await source(prefix, "1") == {"n": 1}


async def test_the_upsert_of_a_script_needs_no_script(
    queue: IndexQueue, worker: PenstockWorker, prefix: str, report: Any, source: Any
) -> None:
    handle = await queue.update(
        index=prefix, id="1", script={"source": "ctx._source.n += 1"}, upsert={"n": 10}
    )

    assert (await report(handle)).outcome is Outcome.CREATED
    assert await source(prefix, "1") == {"n": 10}


async def test_a_document_through_a_pipeline(
    queue: IndexQueue,
    worker: PenstockWorker,
    prefix: str,
    elasticsearch: AsyncElasticsearch,
    report: Any,
    failure: Any,
    source: Any,
    full_server: bool,
) -> None:
    if full_server:
        processors = [{"set": {"field": "seen", "value": True}}]
        await elasticsearch.ingest.put_pipeline(id=prefix, processors=processors)
    piped = await queue.index(index=prefix, id="1", document={"n": 1}, pipeline=prefix)
    plain = await queue.index(index=prefix, id="2", document={"n": 2})

    if full_server:
        assert (await report(piped)).outcome is Outcome.CREATED
        assert await source(prefix, "1") == {"n": 1, "seen": True}
        await elasticsearch.ingest.delete_pipeline(id=prefix)
    else:
        (rejection,) = (await failure(piped)).rejected
        assert (rejection.index, rejection.id) == (prefix, "1")
        assert rejection.type == "illegal_argument_exception"
        assert rejection.reason == f"pipeline with id [{prefix}] does not exist"
        assert await source(prefix, "1") is None
    assert (await report(plain)).outcome is Outcome.CREATED
