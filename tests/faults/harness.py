"""One scenario: servers with a proxy before each, workers, producers, a ledger, and the verdict.

worker --> proxy --> Redis                 producer --> proxy --> Redis (or straight)
worker --> proxy [--> stand-in] --> Elasticsearch
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from redis.exceptions import RedisError

from embedded import ElasticsearchServer, RedisServer
from jobs import JobStatus, Report, keys
from jobs.handle import JobHandle
from tests.faults.checker import Facts, check
from tests.faults.facts import facts, unfinished
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger, Submit
from tests.faults.producers import Producers
from tests.faults.proxy import HOST, TcpProxy
from tests.faults.standin import StandIn
from tests.processes import until

# Short, so that a dead worker is found within seconds; nothing else depends on the length.
LEASE_SECONDS = 3.0
# For a scenario that waits for nothing but the end of a lease.
SHORT_LEASE = {"PENSTOCK_LEASE_SECONDS": "1.5", "PENSTOCK_REDIS_TIMEOUT_SECONDS": "1"}
# Fields are not mapped: a document may have thousands of them, one for each update.
INDEX: dict[str, Any] = {
    "mappings": {"dynamic": False},
    "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"},
}
_SETTINGS = {
    "PENSTOCK_LEASE_SECONDS": str(LEASE_SECONDS),
    "PENSTOCK_REDIS_TIMEOUT_SECONDS": "2",
    "PENSTOCK_REQUEST_TIMEOUT_SECONDS": "5",
    "PENSTOCK_GRACE_PERIOD_SECONDS": "15",
    "PENSTOCK_RETRY_MAX_SECONDS": "1",
    "PENSTOCK_KEEP_SUCCESS_SECONDS": "7200",
}


class Harness:
    """See the module. An async context manager; `verdict` has to be the last thing asked."""

    def __init__(self, redis: RedisServer, elasticsearch: ElasticsearchServer, directory: Path) -> None:
        self.redis_server, self.elasticsearch_server = redis, elasticsearch
        self.redis_proxy, self.elasticsearch_proxy = TcpProxy(redis.port), TcpProxy(elasticsearch.port)
        self.redis = Redis.from_url(redis.url)
        self.elasticsearch = AsyncElasticsearch(elasticsearch.url, request_timeout=60)
        self.index = f"faults-{uuid4().hex[:12]}"
        self.ledger = Ledger()
        self.compared = f"{self.index}*"
        """What the verdict reads: the indices of all places."""
        self.others: set[str] = set()
        """Jobs that are on no document, and so not in the ledger."""
        self._directory = directory
        self._proxies = [self.redis_proxy, self.elasticsearch_proxy]
        self._stand_ins: list[StandIn] = []

    async def __aenter__(self) -> Self:
        for proxy in self._proxies:
            await proxy.listen()
        self.fleet = Fleet(
            _SETTINGS | self.by_way_of(self.redis_proxy, self.elasticsearch_proxy), self._directory
        )
        self.producers = Producers(self.redis_server.url, self.index, self.ledger)
        self._producers = [self.producers]
        await self.create_index()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.fleet.close()
        for producers in self._producers:
            await producers.close()
        for proxy in self._proxies:
            await proxy.refuse()
        for stand_in in self._stand_ins:
            await stand_in.close()
        await self._remove_indices()
        await self.elasticsearch.close()
        await self.redis.aclose()

    async def create_index(self, place: str = "", **properties: str) -> str:
        """Create the index of a place, with the types of its fields, if any; its name."""
        mapped = {"properties": {name: {"type": type} for name, type in properties.items()}}
        index = {**INDEX, "mappings": INDEX["mappings"] | mapped}
        await self.elasticsearch.indices.create(index=self.index + place, **index)
        return self.index + place

    def by_way_of(self, redis: TcpProxy, elasticsearch: TcpProxy) -> dict[str, str]:
        """The settings of a worker whose connections pass through these."""
        return {
            "PENSTOCK_REDIS_URL": f"redis://{HOST}:{redis.port}/0",
            "PENSTOCK_ELASTICSEARCH_URL": f"http://{HOST}:{elasticsearch.port}",
        }

    async def own_proxies(self) -> tuple[TcpProxy, TcpProxy]:
        """Proxies to Redis and to Elasticsearch for one worker alone."""
        redis, elasticsearch = TcpProxy(self.redis_server.port), TcpProxy(self.elasticsearch_server.port)
        for proxy in (redis, elasticsearch):
            await proxy.listen()
            self._proxies.append(proxy)
        return redis, elasticsearch

    async def stand_in(self, *, slow_seconds: float = 30.0) -> StandIn:
        """Put a stand-in between the workers' proxy and Elasticsearch."""
        stand_in = StandIn(self.elasticsearch_server.port, slow_seconds=slow_seconds)
        await stand_in.listen()
        self._stand_ins.append(stand_in)
        self.elasticsearch_proxy.upstream = stand_in.port
        return stand_in

    def producers_by_way_of(self, redis: TcpProxy) -> Producers:
        """Producers whose connections are cut with the workers'; they write into the same ledger."""
        self._producers.append(Producers(f"redis://{HOST}:{redis.port}/0", self.index, self.ledger))
        return self._producers[-1]

    def heal(self) -> None:
        """Nothing is held, cut or swallowed any more."""
        for proxy in self._proxies:
            proxy.heal()

    async def _remove_indices(self) -> None:
        """The servers see more tests; the names are this one's own."""
        found = await self.elasticsearch.indices.get(index=f"{self.index}*")
        if names := list(found.body):
            await self.elasticsearch.indices.delete(index=names)

    async def ended(self, *submits: Submit, seconds: float = 60.0) -> None:
        """Wait until these jobs have their reports."""
        handles = [JobHandle(submit.job_id or "", self.redis, keys.DEFAULT_QUEUE) for submit in submits]

        async def all_ended() -> bool:
            statuses = [await handle.status() for handle in handles]
            return all(status is JobStatus.COMPLETE for status in statuses)

        await until(all_ended, seconds, lambda: f"not ended within {seconds} s\n{self.fleet.logs()}")

    async def reports(self) -> list[Report]:
        """All reports."""
        return list((await self._facts()).reports.values())

    async def settled(self, seconds: float = 90.0) -> None:
        """Wait until every job has ended, and none but the living are registered."""
        await self.fleet.at_work()

        async def nothing_left() -> bool:
            try:
                registered = int(await self.redis.scard(keys.workers(keys.DEFAULT_QUEUE)))
                return registered == len(self.fleet.alive) and await unfinished(self.redis) == 0
            except (RedisError, OSError):
                return False

        await until(nothing_left, seconds, lambda: f"jobs have not ended within {seconds} s")

    async def verdict(self, *, repeats: bool = True, seconds: float = 90.0) -> None:
        """Heal, wait, stop the workers cleanly, and fail with everything that is wrong."""
        self.heal()
        problems: list[str] = []
        try:
            await self.settled(seconds)
        except AssertionError as late:
            problems.append(f"{await unfinished(self.redis)} {late}")
        await self.fleet.stop()
        problems += [f"a worker ended with exit code {code}" for code in self.fleet.stopped if code != 0]
        found = await self._facts()
        problems += map(str, check(self.ledger, found, repeats=repeats))
        problems += [f"in a log: {line}" for line in self.fleet.defects()]
        assert not problems, _all_of(problems, self.fleet.logs())

    async def _facts(self) -> Facts:
        return await facts(self.redis, self.elasticsearch, self.compared, self.others)


def _all_of(problems: list[str], logs: str) -> str:
    shown = "\n".join(problems[:20])
    return f"{len(problems)} problems\n{shown}\n{logs}"
