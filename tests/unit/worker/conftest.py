"""What these tests have in common: actions and jobs made in one line, and an Elasticsearch of set answers."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import pytest
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders, NodeConfig
from elasticsearch import AsyncElasticsearch

from settings import load
from tests.unit.worker.clock import Clock
from worker.actions import Action, ActionKind
from worker.answers import NO_PROBLEM, Answer, Problem, Settled
from worker.backoff import Backoff
from worker.batcher import Batcher, Limits, Reply
from worker.concurrency import Concurrency
from worker.elastic import client_arguments
from worker.entry import Entry
from worker.loading import Reading
from worker.retries import OnBlocked

MakeAction = Callable[..., Action]


@pytest.fixture(scope="session")
def make_action() -> MakeAction:
    """An action on index ``i``; each has a number and, unless named, a document of its own."""
    numbers = itertools.count(1_700_000_000_000_000)

    def make(kind: ActionKind = ActionKind.INDEX, **members: Any) -> Action:
        number = members.pop("number", None) or next(numbers)
        id = members.pop("id", str(number))
        defaults: dict[str, Any] = {"index": "i", "id": id, "key": f"k{id}", "number": number, "body": b"{}"}
        return Action(kind=kind, **defaults | members)

    return make


@pytest.fixture
def clock() -> Clock:
    """The time, as this test sets it."""
    return Clock()


class _NodeAnswer(NamedTuple):
    """What a node of the client hands back; the client's own type for it is private."""

    meta: ApiResponseMeta
    body: bytes


@dataclass
class SetAnswers:
    """The far end of a client: what it was asked, and what it answers, in order."""

    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def answer(
        self, body: Any, status: int = 200, type: str = "application/json", genuine: bool = True
    ) -> None:
        """Answer one more request: an object as JSON, bytes as they are, an exception by raising it."""
        self.answers.append(body if isinstance(body, Exception) else (body, status, type, genuine))

    def lines(self, request: int) -> list[Any]:
        """The lines of one request's body."""
        return [json.loads(line) for line in self.asked[request][2].splitlines()]

    async def reply(self, config: NodeConfig, method: str, target: str, body: bytes | None) -> _NodeAnswer:
        self.asked.append((method, target, body or b""))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        content, status, type, genuine = answer
        headers = HttpHeaders({"content-type": type})
        if genuine:
            headers["x-elastic-product"] = "Elasticsearch"
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return _NodeAnswer(ApiResponseMeta(status, "1.1", headers, 0.0, config), raw)


@pytest.fixture
def far_end() -> SetAnswers:
    """What the client of this test talks to in place of a server."""
    return SetAnswers()


@pytest.fixture
async def client(far_end: SetAnswers) -> AsyncIterator[AsyncElasticsearch]:
    """The worker's own client, with its own arguments and serializers, on set answers."""

    class Node(BaseAsyncNode):
        async def perform_request(  # type: ignore[override]  # its base is the synchronous node
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: Any = None,
            request_timeout: Any = None,
        ) -> _NodeAnswer:
            return await far_end.reply(self.config, method, target, body)

        async def close(self) -> None:  # type: ignore[override]
            """There is nothing to close."""

    async with AsyncElasticsearch(**client_arguments(load({})), node_class=Node) as made:
        yield made


@pytest.fixture(scope="session")
def turns() -> Callable[[], Awaitable[None]]:
    """Give everything that is ready its turn in the loop, several times over."""

    async def run() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    return run


@dataclass
class Request:
    """One request that a batcher made; it is under way until it is answered."""

    actions: list[Action]
    answered: asyncio.Future[Reply]

    @property
    def ids(self) -> list[str]:
        """The documents in it, in order."""
        return [action.id for action in self.actions]

    def answer(self, *answers: Answer, problem: Problem = NO_PROBLEM) -> None:
        """Answer every action: with one answer for all, or with one for each."""
        each = answers * len(self.actions) if len(answers) == 1 else answers
        self.answered.set_result(Reply(each, problem))


class Cluster:
    """Takes a batcher's requests in place of the writer, and lets the test answer them when it likes."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self.under_way = 0

    async def write(self, actions: Sequence[Action]) -> Reply:
        """The batcher's `write`."""
        request = Request(list(actions), asyncio.get_running_loop().create_future())
        self._requests.put_nowait(request)
        self.under_way += 1
        try:
            return await request.answered
        finally:
            self.under_way -= 1

    async def next(self) -> Request:
        """The next request, in the order in which they were sent. Raises TimeoutError."""
        async with asyncio.timeout(5):
            return await self._requests.get()

    @property
    def quiet(self) -> bool:
        """Whether no request has come that was not looked at."""
        return self._requests.empty()


@dataclass
class Owned:
    """The owner of all entries of a test: what was settled, in order."""

    settlements: list[tuple[str, Settled, str]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """The batcher's word on one entry."""
        self.settlements.append((entry.action.id, settled, batch))
        self.attempts[entry.action.id] = entry.attempts

    @property
    def ids(self) -> list[str]:
        """The documents in the order in which they were settled."""
        return [id for id, _, _ in self.settlements]

    def entries(self, *actions: Action) -> list[Entry]:
        """Entries of this owner."""
        return [Entry(action, self, position) for position, action in enumerate(actions)]


@dataclass
class Pauses:
    """Stands in for the backoff: every pause is `seconds`; `asked` has the numbers of troubles.

    `patient` counts the pauses that were to have a floor.
    """

    seconds: float = 0.0
    asked: list[int] = field(default_factory=list)
    patient: int = 0

    def delay(self, troubles: int) -> float:
        """The pause after so many troubles."""
        self.asked.append(troubles)
        return self.seconds

    def patient_delay(self, troubles: int) -> float:
        """The pause where the cluster asks for patience."""
        self.patient += 1
        return self.delay(troubles)


@dataclass
class FixedLimit:
    """Stands in for the concurrency: a limit that stays; `learnt` has what it was told."""

    limit: int
    learnt: list[tuple[int, bool, bool]] = field(default_factory=list)

    def answered(self, actions: int, seconds: float, *, full: bool, trouble: bool) -> None:
        """One answer: its actions, whether the request was full, whether there was trouble."""
        assert seconds >= 0
        self.learnt.append((actions, full, trouble))


@pytest.fixture
def cluster() -> Cluster:
    """What the batcher of this test writes to."""
    return Cluster()


@pytest.fixture
def owned() -> Owned:
    """Who hands the entries of this test in."""
    return Owned()


@pytest.fixture
def pauses() -> Pauses:
    """How long the batcher of this test waits before it tries again."""
    return Pauses()


@pytest.fixture
def fixed_limit() -> FixedLimit:
    """A limit of two requests in flight; says what it was told."""
    return FixedLimit(2)


@pytest.fixture
async def make_batcher(cluster: Cluster, pauses: Pauses) -> AsyncIterator[Callable[..., Batcher]]:
    """A batcher with small limits; it leaves nothing behind."""
    made: list[Batcher] = []

    def make(
        max_actions: int = 3,
        max_bytes: int = 10**6,
        max_in_flight: int = 2,
        concurrency: Any = None,
        on_blocked: OnBlocked | None = None,
        reading: Reading | None = None,
    ) -> Batcher:
        limits = Limits(max_actions, max_bytes, max_in_flight)
        limit = cast(Concurrency, concurrency or FixedLimit(max_in_flight))
        backoff = cast(Backoff, pauses)
        batcher = Batcher(
            "b", cluster.write, limits, backoff, concurrency=limit, on_blocked=on_blocked, reading=reading
        )
        made.append(batcher)
        return batcher

    yield make
    for batcher in made:
        await batcher.drain(0)
