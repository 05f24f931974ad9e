"""What was forced onto the queue by hand: each a failed job with a clear reason, and the rest goes on."""

import asyncio
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from jobs import IndexQueue, Outcome
from jobs.handle import read_report
from jobs.report import Rejection
from worker.process import PenstockWorker

SECONDS = 20.0
ET = 1_795_231_312_209


def call(name: Any, arguments: Any, **members: Any) -> bytes:
    """A job as arq stores it."""
    return json.dumps({"f": name, "t": None, "a": [], "et": ET, "k": arguments} | members).encode()


async def force(redis: Redis, id: bytes, payload: bytes | None) -> None:
    """Put a job onto the queue past every check."""
    if payload is not None:
        await redis.set(b"arq:job:" + id, payload)
    await redis.zadd("arq:queue", {id: time.time() * 1000 - 1})


async def refused(redis: Redis, id: bytes) -> Rejection:
    """Why the job failed; waits for its end."""
    async with asyncio.timeout(SECONDS):
        while (raw := await redis.get(b"arq:result:" + id)) is None:  # noqa: ASYNC110 - as handles do
            await asyncio.sleep(0.01)
    found = read_report(raw)
    assert found.outcome is Outcome.REJECTED
    (rejection,) = found.rejected
    return rejection


async def nothing_is_left(redis: Redis) -> None:
    """No job, no claim, no held document."""
    async with asyncio.timeout(SECONDS):
        while await redis.zcard("arq:queue"):  # noqa: ASYNC110 - the worker tells nobody but Redis
            await asyncio.sleep(0.01)
    for pattern in ("job:*", "in-progress:*", "retry:*", ":claimed:*", ":held:*", ":holders", ":aside*"):
        assert await redis.keys(f"*{pattern}") == [], pattern


@pytest.fixture
async def goes_on(queue: IndexQueue, redis: Redis, worker: PenstockWorker, prefix: str, report: Any) -> Any:
    """Jobs before and behind the bad one are written, and nothing of the bad one stays."""

    async def check(id: bytes, payload: bytes | None) -> Rejection:
        before = await queue.index(index=prefix, id="before", document={})
        await force(redis, id, payload)
        behind = await queue.index(index=prefix, id="behind", document={})
        rejection = await refused(redis, id)
        assert {(await report(handle)).outcome for handle in (before, behind)} == {Outcome.CREATED}
        await nothing_is_left(redis)
        return rejection

    return check


class _Creates:
    """A pickle of this creates a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


async def test_a_pickle_is_never_loaded(goes_on: Any, tmp_path: Path) -> None:
    trap = tmp_path / "created"
    members = {"f": "index", "t": None, "a": (), "et": ET, "k": {"index": _Creates(trap)}}

    rejection = await goes_on(b"pickled", pickle.dumps(members))

    assert rejection.type == "unreadable_job"
    assert "pickle" in rejection.reason
    assert not trap.exists()


@pytest.mark.parametrize(
    ("payload", "type", "reason"),
    [
        pytest.param(b"\x00\xff garbage", "unreadable_job", "not JSON", id="garbage"),
        pytest.param(b'{"f": "index", "k"', "unreadable_job", "not JSON", id="cut off"),
        pytest.param(b'"text"', "unreadable_job", "arq's members", id="no object"),
        pytest.param(b"{}", "unreadable_job", "arq's members", id="no members"),
        pytest.param(b"[" * 200_000, "unreadable_job", "not JSON", id="nested too deep"),
        pytest.param(b"P1 x\n{}", "unreadable_job", "first line", id="damaged first line"),
        pytest.param(b"P1 7 \xff\n{}", "unreadable_job", "first line", id="first line that is not ASCII"),
        pytest.param(b"P1 7abc\n{}", "unreadable_job", "first line", id="number that is none"),
        pytest.param(
            b"P1 7 key\nnot json", "unreadable_job", "not JSON", id="not JSON behind its first line"
        ),
        pytest.param(None, "payload_missing", "nothing is stored", id="without payload"),
        pytest.param(call("no_such_job", {}), "unknown_job", "'no_such_job'", id="unknown name"),
        pytest.param(call(7, {}), "unreadable_job", "arq's members", id="name that is none"),
        pytest.param(
            call("index", {}, a=["products", "1", {}]), "invalid_job", "keyword", id="positional arguments"
        ),
    ],
)
async def test_what_is_no_job(goes_on: Any, payload: bytes | None, type: str, reason: str) -> None:
    rejection = await goes_on(b"forced", payload)

    assert rejection.type == type
    assert reason in rejection.reason


GOOD = {"index": "products", "id": "1"}


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("index", GOOD, "document"),
        ("index", GOOD | {"document": "text"}, "document"),
        ("index", GOOD | {"document": {}, "id": ""}, "id: a document id can't be empty, got ''"),
        (
            "index",
            GOOD | {"document": {}, "id": "ü" * 300},
            "512 bytes of UTF-8 at the most, this one has 600",
        ),
        ("index", GOOD | {"document": {}, "index": "Upper"}, "lowercase, got 'Upper'"),
        ("index", GOOD | {"document": {}, "version": 7}, "version"),
        ("update", GOOD, "either doc or script"),
        ("update", GOOD | {"doc": {}, "script": {"source": "x"}}, "either doc or script"),
        ("delete", {"index": "products"}, "id"),
        ("delete", GOOD | {"wait_until_visible": "yes"}, "wait_until_visible"),
        ("bulk", {"index": "products", "actions": []}, "actions"),
        ("bulk", {"index": "products", "actions": [{"op": "drop", "id": "1"}]}, "'drop'"),
        ("bulk", {"index": "products", "actions": [{"op": "index", "id": "1"}]}, "actions.0.document"),
        ("bulk", {"index": "products", "actions": {"op": "delete"}}, "actions"),
        ("load", {"source": "catalogue"}, "ids"),
        ("load", {"source": "", "ids": ["1"]}, "source"),
        ("reindex", {}, "alias"),
        ("reindex", {"alias": "products", "slices": 0}, "slices"),
    ],
)
async def test_a_bad_payload_of_each_kind(
    goes_on: Any, name: str, arguments: dict[str, Any], reason: str
) -> None:
    rejection = await goes_on(b"forced", call(name, arguments))

    assert rejection.type == "invalid_job"
    assert reason in rejection.reason


@pytest.mark.parametrize(
    ("payload", "type"),
    [
        (call("index", {"index": "products"}), "invalid_job"),
        (call("load", {"source": "catalogue", "ids": ["1"]}), "unknown_source"),
        (call("no_such_job", {}), "unknown_job"),
        (b"\x00", "unreadable_job"),
        (None, "payload_missing"),
    ],
)
async def test_an_id_that_is_not_utf_8(goes_on: Any, payload: bytes | None, type: str) -> None:
    rejection = await goes_on(b"\xff\xfe id", payload)

    assert rejection.type == type


async def test_a_job_over_the_limit_is_refused(
    settings: Any, redis: Redis, start_worker: Any, queue: IndexQueue, prefix: str, report: Any
) -> None:
    large = call("index", {"index": prefix, "id": "1", "document": {"text": "x" * settings.job_max_bytes}})
    await force(redis, b"large", large)
    behind = await queue.index(index=prefix, id="behind", document={})

    await start_worker()
    rejection = await refused(redis, b"large")

    assert rejection.type == "invalid_job"
    assert f"{settings.job_max_bytes} bytes at the most, this one has {len(large)}" in rejection.reason
    assert (await report(behind)).outcome is Outcome.CREATED


async def test_a_key_of_another_kind_than_a_payload_hurts_its_job_alone(
    redis: Redis, worker: PenstockWorker, queue: IndexQueue, prefix: str, report: Any
) -> None:
    await redis.zadd("arq:job:list", {"no payload": 1})
    await force(redis, b"list", None)
    behind = await queue.index(index=prefix, id="behind", document={})

    assert (await report(behind)).outcome is Outcome.CREATED
    assert (await refused(redis, b"list")).type == "payload_missing"
