"""A replica's refusal is a lost connection, whatever form it takes; any other answer is what it was."""

from __future__ import annotations

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ExecAbortError, NoScriptError, ReadOnlyError, ResponseError

from jobs.connection import mended

REFUSED = "You can't write against a read only replica."


class Answering:
    """In place of redis-py's connection: it reads what it is told to."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.closed = False

    async def read_response(self, *, disconnect_on_error: bool = True) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def disconnect(self, nowait: bool = False) -> None:
        self.closed = True


def connection_that_reads(answer: object) -> Answering:
    pool = mended(ConnectionPool(connection_class=Answering, answer=answer))
    connection: Answering = pool.make_connection()
    return connection


@pytest.mark.parametrize(
    "answer",
    [
        ReadOnlyError(REFUSED),
        ReadOnlyError(f"{REFUSED} script: 0123, on @user_script:12."),
        [b"of a transaction", ReadOnlyError(REFUSED)],
        ExecAbortError(f"Transaction discarded because of: READONLY {REFUSED}"),
        ResponseError("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    ],
)
async def test_a_replica_that_refuses_is_left(answer: object) -> None:
    connection = connection_that_reads(answer)

    with pytest.raises(RedisConnectionError, match=r"replica"):
        await connection.read_response()
    assert connection.closed


@pytest.mark.parametrize(
    "error",
    [NoScriptError("No matching script."), ExecAbortError("Transaction discarded."), ResponseError("ERR")],
)
async def test_any_other_refusal_is_raised_as_it_is(error: ResponseError) -> None:
    connection = connection_that_reads(error)

    with pytest.raises(type(error)) as raised:
        await connection.read_response(disconnect_on_error=False)
    assert raised.value is error
    assert not connection.closed


async def test_an_answer_is_handed_on() -> None:
    assert await connection_that_reads([b"a", ResponseError("ERR")]).read_response() != []
