"""A server ends with the process that started it, however that ends, and leaves no files behind."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psutil
import pytest

from embedded import RedisServer
from embedded.errors import ServerStopped

Program = Callable[[str], AbstractContextManager[tuple[int, dict[str, Any]]]]
Eventually = Callable[[Callable[[], bool]], bool]

WITH_A_FORK = """
import json, os, signal, sys
from embedded import start_redis
with start_redis() as server:
    fork = os.fork()  # holds a copy of every pipe of its parent
    if fork == 0:
        signal.pause()
    started = {"pid": server.pid, "directory": str(server.instance.directory), "fork": fork}
    print(json.dumps(started), flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_that_outlives_the_parent_does_not_keep_its_server(
    program: Program, eventually: Eventually, number: signal.Signals
) -> None:
    with program(WITH_A_FORK) as (parent, started):
        try:
            os.kill(parent, number)

            assert eventually(lambda: not lives(started["pid"]))
            assert eventually(lambda: not os.path.exists(started["directory"]))
            assert lives(started["fork"])
        finally:
            os.kill(started["fork"], signal.SIGKILL)


def test_ctrl_c_in_the_terminal_reaches_the_parent_only(own_redis: RedisServer) -> None:
    assert os.getpgid(own_redis.pid) == own_redis.pid
    assert os.getsid(own_redis.pid) != os.getsid(0)


if sys.platform == "linux":  # elsewhere nothing ties a process to the death of its parent

    def test_sigkill_of_the_watching_process_ends_the_server(
        own_redis: RedisServer, eventually: Eventually
    ) -> None:
        watching = psutil.Process(own_redis.pid).parent()
        assert watching is not None

        watching.kill()

        assert eventually(lambda: not lives(own_redis.pid))
        with pytest.raises(ServerStopped, match="was killed"):
            own_redis.restart()


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
