"""The number that a job takes at its enqueue becomes its document's version, and decides which write wins."""

from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import IndexQueue, Outcome

VERSIONS_PER_NUMBER = 1024


async def version_of(elasticsearch: AsyncElasticsearch, index: str, id: str) -> int:
    found: int = (await elasticsearch.get(index=index, id=id))["_version"]
    return found


async def test_a_full_write_has_its_number_times_1024_as_version(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
) -> None:
    plain = await queue.index(index=prefix, id="plain", document={})
    created = await queue.index(index=prefix, id="created", document={}, create=True)
    upserted = await queue.update(index=prefix, id="upserted", doc={}, doc_as_upsert=True)
    numbers = {handle: await number_of(handle) for handle in (plain, created, upserted)}

    await start_worker()

    for handle, number in numbers.items():
        found = await report(handle)
        assert found.version == number * VERSIONS_PER_NUMBER
        assert await version_of(elasticsearch, prefix, found.id) == found.version


async def test_each_update_adds_one(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
) -> None:
    written = await queue.index(index=prefix, id="1", document={"n": 0})
    number = await number_of(written)
    updates = [await queue.update(index=prefix, id="1", doc={"n": n}) for n in (1, 2, 3)]

    await start_worker()

    assert [(await report(update)).version for update in updates] == [
        number * VERSIONS_PER_NUMBER + n for n in (1, 2, 3)
    ]


async def test_a_write_after_updates_wins(
    queue: IndexQueue, start_worker: Any, prefix: str, report: Any, number_of: Any, source: Any
) -> None:
    await queue.index(index=prefix, id="1", document={"n": 0})
    for n in range(30):
        await queue.update(index=prefix, id="1", doc={"n": n})
    last = await queue.index(index=prefix, id="1", document={"last": True})
    number = await number_of(last)

    await start_worker()

    assert (await report(last)).version == number * VERSIONS_PER_NUMBER
    assert await source(prefix, "1") == {"last": True}


async def test_a_bulk_takes_a_number_for_each_action(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
) -> None:
    actions = [{"op": "index", "id": f"{n}", "document": {}} for n in range(5)]
    handle = await queue.bulk(index=prefix, actions=actions)
    number = await number_of(handle)
    behind = await queue.index(index=prefix, id="behind", document={})
    assert await number_of(behind) >= number + 5

    await start_worker()
    await report(handle)

    versions = [await version_of(elasticsearch, prefix, f"{n}") for n in range(5)]
    assert versions == [(number + n) * VERSIONS_PER_NUMBER for n in range(5)]


async def test_a_late_job_does_not_overwrite_what_a_newer_number_wrote(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
    source: Any,
) -> None:
    late = [
        await queue.index(index=prefix, id="1", document={"late": True}),
        await queue.update(index=prefix, id="1", doc={"late": True}),
        await queue.delete(index=prefix, id="1"),
    ]
    newer = (await number_of(late[-1]) + 1) * VERSIONS_PER_NUMBER
    await elasticsearch.index(
        index=prefix, id="1", document={"newer": True}, version=newer, version_type="external_gte"
    )

    await start_worker()

    assert [(await report(handle)).outcome for handle in late] == [Outcome.SUPERSEDED] * 3
    assert await source(prefix, "1") == {"newer": True}
    assert await version_of(elasticsearch, prefix, "1") == newer


async def test_a_late_job_does_not_bring_back_what_a_newer_number_deleted(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
    source: Any,
) -> None:
    late = [
        await queue.index(index=prefix, id="1", document={"late": True}),
        await queue.update(index=prefix, id="1", doc={"late": True}, doc_as_upsert=True),
    ]
    newer = (await number_of(late[-1]) + 1) * VERSIONS_PER_NUMBER
    await elasticsearch.index(index=prefix, id="1", document={})
    await elasticsearch.delete(index=prefix, id="1", version=newer, version_type="external_gte")

    await start_worker()

    assert [(await report(handle)).outcome for handle in late] == [Outcome.SUPERSEDED] * 2
    assert await source(prefix, "1") is None


async def test_a_job_that_runs_again_after_its_write_reports_the_same_state(
    queue: IndexQueue,
    start_worker: Any,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    report: Any,
    number_of: Any,
    source: Any,
) -> None:
    """As after a kill between Elasticsearch's answer and the report."""
    again = await queue.index(index=prefix, id="1", document={"n": 1}, create=True)
    version = await number_of(again) * VERSIONS_PER_NUMBER
    await elasticsearch.index(
        index=prefix, id="1", document={"n": 1}, version=version, version_type="external_gte"
    )

    await start_worker()
    found = await report(again)

    assert (found.outcome, found.version) == (Outcome.CREATED, version)
    assert await source(prefix, "1") == {"n": 1}
