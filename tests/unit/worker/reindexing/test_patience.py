"""A request that is repeated until it is answered: what it waits between two tries, and what ends it."""

import pytest
from elastic_transport import ApiResponseMeta, ConnectionError, HttpHeaders, NodeConfig
from elasticsearch import ApiError

from worker.backoff import Backoff
from worker.reindexing.pages import IncompletePage
from worker.reindexing.patience import patiently

BACKOFF = Backoff(0.1, 5.0, lambda: 0.5)


def status(number: int) -> ApiError:
    node = NodeConfig("http", "127.0.0.1", 9200)
    meta = ApiResponseMeta(number, "1.1", HttpHeaders(), 0.0, node)
    return ApiError("", meta, {})


class Asked:
    """Raises what it is told, one after the other, and then answers."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.slept: list[float] = []

    async def ask(self) -> str:
        if self.troubles:
            raise self.troubles.pop(0)
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_it_asks_until_it_is_answered() -> None:
    asked = Asked(status(429), IncompletePage("shards"), status(503))

    assert await patiently(asked.ask, BACKOFF, sleep=asked.sleep) == "answer"
    assert len(asked.slept) == 3
    assert all(seconds < 1 for seconds in asked.slept[:2])


async def test_a_cluster_that_is_away_is_looked_for_every_other_second_at_most() -> None:
    asked = Asked(*(ConnectionError("refused") for _ in range(12)))

    await patiently(asked.ask, BACKOFF, sleep=asked.sleep)

    assert asked.slept[0] < 0.2  # a connection that was cut is no cluster that is away
    assert min(asked.slept[1:]) >= 2.0
    assert max(asked.slept) <= 5.0


@pytest.mark.parametrize("number", [400, 401, 403, 404])
async def test_what_will_be_answered_the_same_again_is_raised(number: int) -> None:
    asked = Asked(status(number))

    with pytest.raises(ApiError):
        await patiently(asked.ask, BACKOFF, sleep=asked.sleep)
    assert asked.slept == []
