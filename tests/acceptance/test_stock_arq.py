"""The same jobs under arq's own worker: `arq worker.WorkerSettings`."""

from typing import Any

from jobs import IndexDocument, IndexQueue, Outcome
from tests.acceptance.catalogue import INDEX

ARQ = ("-m", "arq", "worker.WorkerSettings")


async def test_the_same_jobs_run_and_have_the_same_reports(
    start: Any, queue: IndexQueue, prefix: str, reports: Any, documents: Any, left_open: Any
) -> None:
    worker = start(command=ARQ)
    await worker.says("this is arq's stock worker")
    handles = await queue.enqueue_many(
        IndexDocument(index=prefix, id=f"{n}", document={"n": n}) for n in range(200)
    )
    found = await reports(handles)
    changes = [
        await queue.update(index=prefix, id="0", doc={"changed": True}),
        await queue.delete(index=prefix, id="1"),
        await queue.bulk(index=prefix, actions=[{"op": "delete", "id": "2"}, {"op": "delete", "id": "2"}]),
        await queue.load(source="catalogue", ids=["1"]),
        await queue.update(index=prefix, id="none", doc={}),
        await queue.reindex(alias=f"{prefix}-nowhere"),
    ]
    updated, deleted, bulk, load, missing, reindex = await reports(changes)

    assert {report.outcome for report in found} == {Outcome.CREATED}
    assert len({report.batch for report in found}) < 200
    assert (updated.outcome, deleted.outcome) == (Outcome.UPDATED, Outcome.DELETED)
    assert bulk.counts == {"deleted": 1, "missing": 1}
    failed = [report.rejected[0].type for report in (load, missing, reindex)]
    assert failed == ["unknown_source", "document_missing_exception", "stock_workers"]
    expected = {f"{n}": {"n": n} for n in range(200) if n not in (1, 2)} | {"0": {"n": 0, "changed": True}}
    assert await documents(prefix) == expected

    assert await worker.stop() == 0
    assert [line for line in left_open([worker]) if "nclosed" in line] == []


async def test_loads_read_their_source_there_too(
    start: Any, queue: IndexQueue, elasticsearch: Any, reports: Any, documents: Any
) -> None:
    await elasticsearch.options(ignore_status=404).indices.delete(index=INDEX)
    worker = start(command=ARQ, env={"PENSTOCK_SOURCES": "tests.acceptance.catalogue:registry"})
    found = await reports([await queue.load(source="catalogue", ids=["1", "2", "4"])])

    assert [report.counts for report in found] == [{"missing": 1, "created": 2}]
    assert await documents(INDEX) == {"2": {"n": 2}, "4": {"n": 4}}
    assert await worker.stop() == 0
    await elasticsearch.indices.delete(index=INDEX)


async def test_a_pickle_is_never_loaded_there_either(
    start: Any, redis: Any, queue: IndexQueue, prefix: str, reports: Any, tmp_path: Any
) -> None:
    trap = tmp_path / "created"
    # Protocol 0 of `open(trap, "w")`, written by hand.
    payload = f"cbuiltins\nopen\n(V{trap}\nVw\ntR.".encode()
    await redis.set("arq:job:pickled", payload)
    await redis.zadd("arq:queue", {"pickled": 1})

    start(command=ARQ)
    behind = await queue.index(index=prefix, id="1", document={})

    assert [report.outcome for report in await reports([behind])] == [Outcome.CREATED]
    (refused,) = await reports([queue.job("pickled")])
    assert refused.outcome is Outcome.REJECTED
    assert not trap.exists()
