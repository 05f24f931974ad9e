"""The stand-in itself, before a real Elasticsearch: what each wrong answer says, and what was executed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, ClientTimeout
from elasticsearch import AsyncElasticsearch

from embedded import ElasticsearchServer
from tests.faults.proxy import HOST
from tests.faults.standin import StandIn, Wrong

INDEX = "stand-in"
Send = Callable[..., Awaitable[tuple[int, bytes]]]


@pytest.fixture
async def stand_in(own_elasticsearch: ElasticsearchServer) -> AsyncIterator[StandIn]:
    stand_in = StandIn(own_elasticsearch.port, slow_seconds=5.0)
    await stand_in.listen()
    yield stand_in
    await stand_in.close()


@pytest.fixture
async def stored(own_elasticsearch: ElasticsearchServer) -> AsyncIterator[Callable[[], Awaitable[set[str]]]]:
    """The ids of the documents that are there."""
    async with AsyncElasticsearch(own_elasticsearch.url) as client:
        await client.indices.create(index=INDEX)

        async def ids() -> set[str]:
            await client.indices.refresh(index=INDEX)
            answer = await client.search(index=INDEX, size=100)
            return {hit["_id"] for hit in answer["hits"]["hits"]}

        yield ids
        await client.indices.delete(index=INDEX)


@pytest.fixture
async def send(stand_in: StandIn) -> AsyncIterator[Send]:
    """One bulk request with six documents; status and body of the answer."""
    lines: list[Any] = []
    for n in range(6):
        lines += [{"index": {"_index": INDEX, "_id": f"{n}"}}, {"n": n}]
    body = b"\n".join(map(orjson.dumps, lines)) + b"\n"
    url = f"http://{HOST}:{stand_in.port}/_bulk"
    headers = {"Content-Type": "application/x-ndjson"}
    async with ClientSession() as session:

        async def post(seconds: float = 10.0) -> tuple[int, bytes]:
            timeout = ClientTimeout(seconds)
            async with session.post(url, data=body, headers=headers, timeout=timeout) as answer:
                return answer.status, await answer.read()

        yield post


def statuses(answer: bytes) -> list[int]:
    return [item["index"]["status"] for item in orjson.loads(answer)["items"]]


async def test_without_a_fault_it_passes_on(send: Send, stored: Any) -> None:
    status, answer = await send()

    assert (status, statuses(answer)) == (200, [201] * 6)
    assert await stored() == set("012345")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [(Wrong.THROTTLED, 429), (Wrong.UNAVAILABLE, 503), (Wrong.REFUSED, 400), (Wrong.TOO_LARGE, 413)],
)
async def test_what_is_refused_as_a_whole_is_not_executed(
    stand_in: StandIn, send: Send, stored: Any, wrong: Wrong, status: int
) -> None:
    stand_in.wrong = lambda body: wrong

    assert (await send())[0] == status
    assert await stored() == set()
    assert stand_in.happened[wrong] == 1


async def test_every_third_item_is_throttled_and_the_others_are_executed(
    stand_in: StandIn, send: Send, stored: Any
) -> None:
    stand_in.wrong = lambda body: Wrong.ITEMS_THROTTLED

    status, answer = await send()

    assert (status, statuses(answer)) == (200, [429, 201, 201, 429, 201, 201])
    assert await stored() == set("1245")


@pytest.mark.parametrize(("wrong", "items"), [(Wrong.SHORT, 3), (Wrong.LONG, 7)])
async def test_an_answer_with_another_number_of_items(
    stand_in: StandIn, send: Send, stored: Any, wrong: Wrong, items: int
) -> None:
    stand_in.wrong = lambda body: wrong

    status, answer = await send()

    assert (status, len(statuses(answer))) == (200, items)
    assert await stored() == set("012345")


@pytest.mark.parametrize(
    ("wrong", "status"), [(Wrong.TRUNCATED, 200), (Wrong.HTML, 200), (Wrong.GATEWAY, 502)]
)
async def test_an_answer_that_is_none_of_elasticsearchs(
    stand_in: StandIn, send: Send, stored: Any, wrong: Wrong, status: int
) -> None:
    stand_in.wrong = lambda body: wrong

    found, answer = await send()

    assert found == status
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer)
    assert await stored() == set("012345")


async def test_a_slow_answer_belongs_to_what_was_executed(stand_in: StandIn, send: Send, stored: Any) -> None:
    stand_in.wrong = lambda body: Wrong.SLOW

    with pytest.raises(TimeoutError):
        await send(seconds=1.0)

    assert await stored() == set("012345")
