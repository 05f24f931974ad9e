"""What is parked and what goes on: by target (way and index), by document, and one probe a second."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from worker.actions import Action, ActionKind
from worker.answers import Blocked
from worker.cancelling import end_tasks
from worker.claims import Claimed
from worker.entry import Entry
from worker.holding import Holding
from worker.parking import Parking

NO_ALIAS = Blocked(
    "index_not_found_exception", "no such index [i] and [require_alias] request flag is [true]"
)
FORBIDDEN = Blocked("security_exception", "action [indices:data/write/delete] is unauthorized")


def index(id: str, number: int, **options: Any) -> Action:
    return Action(ActionKind.INDEX, "i", id, f"key-{id}", number, b"{}", **options)


def delete(id: str, number: int) -> Action:
    return Action(ActionKind.DELETE, "i", id, f"key-{id}", number)


def job(*actions: Action) -> Claimed:
    """A claimed job of these actions."""
    keys = " ".join(action.key for action in actions).encode()
    return Claimed(str(actions[0].number).encode(), 1.0, b"P1 1 k\n{}", keys, 0)


@dataclass
class Owner:
    """The owner of a blocked entry."""

    claimed: Claimed

    def settled(self, *_: object) -> None:
        raise AssertionError("what is parked is not settled")

    def withdrawn(self, park: Any) -> None:
        park(self.claimed)


@dataclass
class Redis:
    """The claims of this worker; each call of `park` is kept, and waits for `open`."""

    calls: list[tuple[str, list[bytes]]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def park(self, target: str, why: bytes, jobs: Iterable[Claimed]) -> int:
        self.calls.append((target, [one.id for one in jobs]))
        self.begun.set()
        await self.open.wait()
        return 1

    async def unpark(self, target: str, jobs: int) -> int:
        return 0

    async def probe_parked(self, seconds: float) -> set[str]:
        self.ended.set()
        return set()


@pytest.fixture
def redis() -> Redis:
    """Where this test's jobs are parked."""
    return Redis()


@pytest.fixture
async def parking(redis: Redis) -> AsyncIterator[Parking]:
    """Parking at work."""
    parking = Parking(redis, Holding(100, 1_000_000))  # type: ignore[arg-type]  # what it calls of Claims
    running = asyncio.create_task(parking.run())
    yield parking
    await end_tasks([running])


def block(parking: Parking, action: Action, why: Blocked) -> None:
    parking.blocked([Entry(action, Owner(job(action)), 0)], action.target, why)


async def until(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)


def takes(parking: Parking, *actions: Action) -> bool:
    return parking.takes(job(*actions), actions)


def test_given_ways_of_writing_that_have_rights_of_their_own_then_they_are_targets_of_their_own() -> None:
    update = Action(ActionKind.UPDATE, "i", "1", "k", 1)
    create = Action(ActionKind.CREATE, "i", "1", "k", 1)
    actions = [index("1", 1), index("1", 1, require_alias=True), create, update, delete("1", 1)]

    assert [action.target for action in actions] == ["index:i", "alias:i", "index:i", "update:i", "delete:i"]


async def test_given_a_missing_alias_then_only_jobs_that_require_it_are_parked(parking: Parking) -> None:
    block(parking, index("a", 1, require_alias=True), NO_ALIAS)

    assert takes(parking, index("b", 2, require_alias=True))
    assert not takes(parking, index("c", 3))
    assert not takes(parking, delete("d", 4))


async def test_given_a_missing_right_to_delete_then_a_bulk_is_parked_that_has_a_delete_in_it(
    parking: Parking, redis: Redis
) -> None:
    redis.open.set()
    block(parking, delete("a", 1), FORBIDDEN)

    assert takes(parking, index("b", 2), delete("c", 3))
    assert not takes(parking, index("d", 4), index("e", 5))
    await until(redis.ended)
    assert redis.calls == [("delete:i", [b"1", b"2"])]


async def test_given_writes_that_pass_then_deletes_stay_parked_until_one_of_them_passes(
    parking: Parking,
) -> None:
    block(parking, delete("a", 1), FORBIDDEN)
    block(parking, index("b", 2), FORBIDDEN)

    parking.passed("index:i")

    assert not takes(parking, index("c", 3))
    assert takes(parking, delete("d", 4))
    parking.passed("delete:i")
    assert not takes(parking, delete("e", 5))


async def test_given_a_block_of_which_all_stays_in_the_batcher_then_later_jobs_are_parked(
    parking: Parking,
) -> None:
    parking.blocked((), "index:i", FORBIDDEN)

    assert takes(parking, index("a", 1), index("b", 2))
    parking.passed("index:i")
    assert not takes(parking, index("c", 3), index("d", 4))


@pytest.mark.parametrize("again_seconds", [0.0, 5.0])
async def test_given_one_that_is_tried_again_in_the_batcher_then_it_is_the_probe_and_no_other_goes(
    parking: Parking, monkeypatch: pytest.MonkeyPatch, again_seconds: float
) -> None:
    now = 1000.0
    monkeypatch.setattr("worker.parking.monotonic", lambda: now)
    parking.blocked((), "index:i", FORBIDDEN, again_seconds)
    now += 5

    assert takes(parking, index("a", 1)) == bool(again_seconds)
    now += 5 + again_seconds
    assert not takes(parking, index("b", 2)), "its answer is overdue"


async def test_given_a_job_on_its_way_aside_when_another_of_its_document_comes_then_that_is_not_ahead_of_it(
    parking: Parking, redis: Redis
) -> None:
    block(parking, delete("a", 1), FORBIDDEN)
    await until(redis.begun)

    assert takes(parking, index("b", 2), index("a", 3))
    assert takes(parking, index("b", 4)), "it is behind the second one now"
    assert not takes(parking, index("c", 5))


async def test_given_a_job_that_went_aside_during_a_claim_then_what_was_claimed_with_it_follows_it(
    parking: Parking, redis: Redis
) -> None:
    # Given a claim under way, while a job of an earlier one goes aside and its target opens
    redis.open.set()
    block(parking, delete("a", 1), FORBIDDEN)
    await until(redis.ended)
    parking.passed("delete:i")

    # When the claimed jobs are taken, then this one is parked at once, by a race, and the next claim's is not
    assert takes(parking, delete("a", 2))
    assert not takes(parking, delete("b", 3))
    redis.ended.clear()
    await until(redis.ended)
    parking.claim_ended()
    assert redis.calls == [("delete:i", [b"1"]), ("delete:i", [b"2"])]
    assert not parking.any_blocked
    assert not takes(parking, delete("a", 4))


async def test_given_a_job_that_is_on_its_way_when_the_claim_ends_then_its_document_stays_closed(
    parking: Parking, redis: Redis
) -> None:
    block(parking, delete("a", 1), FORBIDDEN)
    await until(redis.begun)
    parking.passed("delete:i")

    parking.claim_ended()

    assert takes(parking, index("a", 2))
    assert not takes(parking, index("b", 3))


async def test_given_jobs_of_many_documents_then_a_call_parks_some_of_them(
    parking: Parking, redis: Redis
) -> None:
    """One call holds Redis for as long as it takes."""
    redis.open.set()
    block(parking, index("0", 1), FORBIDDEN)
    for number in range(2, 8):
        assert takes(parking, *[index(f"{number}-{n}", number * 1000 + n) for n in range(400)])
    small = [index(f"s{n}", 100_000 + n) for n in range(800)]
    assert {takes(parking, action) for action in small} == {True}

    await until(redis.ended)

    assert [len(ids) for _, ids in redis.calls] == [3, 2, 202, 500, 100]


async def test_loads_come_back_where_their_source_is_known(caplog: pytest.LogCaptureFixture) -> None:
    class Probing:
        unparked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def probe_parked(self, seconds: float) -> set[str]:
            return {"source:rows"}

        async def unpark(self, target: str, jobs: int) -> int:
            self.unparked.set_result(target)
            return 0

    claims: Any = Probing()
    parking = Parking(claims, Holding(10, 1000))
    running = asyncio.create_task(parking.run())
    parking._wanted.set()
    async with asyncio.timeout(5):
        while not parking.any_blocked:  # noqa: ASYNC110 - one turn of the loop, no time
            await asyncio.sleep(0)

        parking.passed("source:rows")

        assert await claims.unparked == "source:rows"
    await end_tasks([running])
    assert caplog.messages == ["source rows takes loads again: its jobs come back"]
