"""A Redis that is not there, or takes nothing: QueueUnavailable from every call, and nothing half done."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from jobs import IndexDocument, IndexQueue, QueueUnavailable

GOOD = IndexDocument(index="products", id="42", document={})


@pytest.fixture
async def lost_queue() -> AsyncIterator[IndexQueue]:
    """A producer whose Redis refuses connections: the port is taken and nobody listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with IndexQueue(f"redis://:secret@127.0.0.1:{taken.getsockname()[1]}/0") as queue:
            yield queue


@pytest.mark.parametrize(
    "call",
    ["enqueue", "enqueue_many", "status", "report", "result", "reports", "overview",
     "count dead", "list dead", "show dead", "retry dead", "retry all dead", "purge dead"],
)  # fmt: skip
async def test_every_call_says_that_redis_is_unavailable(lost_queue: IndexQueue, call: str) -> None:
    handle, letters = lost_queue.job("unknown"), lost_queue.dead_letters
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "enqueue": lambda: lost_queue.enqueue(GOOD),
        "enqueue_many": lambda: lost_queue.enqueue_many([GOOD]),
        "status": handle.status,
        "report": handle.report,
        "result": lambda: handle.result(timeout=1),
        "reports": lambda: lost_queue.reports([handle]),
        "overview": lost_queue.overview,
        "count dead": letters.count,
        "list dead": letters.list,
        "show dead": lambda: letters.show("unknown"),
        "retry dead": lambda: letters.retry(["unknown"]),
        "retry all dead": letters.retry_all,
        "purge dead": lambda: letters.purge(["unknown"]),
    }

    with pytest.raises(QueueUnavailable, match="Redis did not") as caught:
        await calls[call]()
    assert "secret" not in str(caught.value)
