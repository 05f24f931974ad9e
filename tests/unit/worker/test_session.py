"""A session's own tasks: what is put back when Redis does not answer, what is forgotten, what a stop ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from settings import load
from tests.unit.worker.batching import Turns
from worker import session as module
from worker.claims import Claimed
from worker.runtime import Runtime
from worker.session import Session

NOWHERE = "redis://127.0.0.1:1/0"
JOB = Claimed(b"job", 5.0, b"P1 5 key\nraw", b"key", 0)


class Claims:
    """Redis's side: fails so many times, then notes what is put back; a lease is never granted."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.released: list[tuple[list[Any], bool]] = []
        self.asked = asyncio.Event()

    async def release(self, jobs: Iterable[Any], *, untried: bool = False) -> int:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise RedisConnectionError("away")
        self.released.append((list(jobs), untried))
        return 1

    async def beat(self, lease_seconds: float, info: bytes, *, register: bool = False) -> None:
        self.asked.set()
        await asyncio.Event().wait()


@pytest.fixture
async def session(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """One that talks to nobody."""
    monkeypatch.setattr(module, "_REDIS_PAUSE_SECONDS", 0.0)
    runtime, redis = Runtime(load({})), Redis.from_url(NOWHERE)
    made = Session(runtime, redis, redis, functions=(), most_functions=1, may_abort=False, burst=False)
    yield made
    await made.batcher.drain(0)
    await runtime.close()


def on(session: Session, claims: Claims) -> Claims:
    session.claims = claims  # type: ignore[assignment]  # as much of it as is asked for
    return claims


async def test_a_job_is_put_back_as_soon_as_redis_answers(session: Session) -> None:
    claims = on(session, Claims(failures=3))
    session.holding.add(JOB)

    await session.given_back(JOB, 7.0)

    assert claims.released == [([(b"job", b"key", 7.0)], False)]
    assert not session.holding.jobs


async def test_a_job_that_was_claimed_again_meanwhile_is_still_held(session: Session) -> None:
    on(session, Claims(failures=1))
    session.holding.add(JOB)
    giving = asyncio.create_task(session.given_back(JOB, None))
    again = JOB._replace(score=9.0)
    session.holding.add(again)

    await giving

    assert session.holding.jobs == {b"job": again}


async def test_postponed_jobs_leave_nothing_behind_but_their_place_in_the_queue(
    session: Session, turns: Turns
) -> None:
    claims = on(session, Claims())
    before = set(session._tasks)

    for number in range(1000):
        session.postpone(JOB, float(number))
    assert len(session._tasks) == len(before) + 1000
    await turns()

    assert [untried for _, untried in claims.released] == [True] * 1000
    assert session._tasks == before


async def test_a_task_that_has_failed_is_not_forgotten(session: Session, turns: Turns) -> None:
    async def fail() -> None:
        raise ValueError("seen at the end")

    failed = session._start(fail())
    await turns()

    assert failed in session._tasks
    with pytest.raises(ValueError, match="seen at the end"):
        failed.result()


async def test_a_stop_before_redis_has_granted_the_lease_asks_for_it_no_more(session: Session) -> None:
    claims = Claims()
    session._lifeline._claims = claims  # type: ignore[assignment]  # as above
    stopping = asyncio.Event()
    running = asyncio.create_task(session.run(stopping))
    await claims.asked.wait()

    stopping.set()
    await running

    assert all(task.done() for task in session._tasks)
