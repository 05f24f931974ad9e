"""A real embedded Redis: what it is set to, and what it survives."""

import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from embedded import RedisServer, start_redis
from embedded.errors import ServerStopped, StartFailed


def ask(server: RedisServer, *command: Any) -> Any:
    client = redis.Redis.from_url(server.url, socket_timeout=5, decode_responses=True)
    try:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has no types for it
    finally:
        client.close()


def setting(server: RedisServer, name: str) -> str:
    _, value = ask(server, "CONFIG", "GET", name)
    return str(value)


def test_it_is_set_up_as_penstock_needs_it(own_redis: RedisServer) -> None:
    assert setting(own_redis, "appendonly") == "yes"
    assert setting(own_redis, "appendfsync") == "everysec"
    assert setting(own_redis, "maxmemory-policy") == "noeviction"
    assert setting(own_redis, "databases") == "1024"
    assert setting(own_redis, "bind") == "127.0.0.1"


def test_it_never_runs_as_root(own_redis: RedisServer) -> None:
    assert psutil.Process(own_redis.pid).uids().effective != 0


def test_restart_keeps_the_port_and_the_data(own_redis: RedisServer) -> None:
    url = own_redis.url
    ask(own_redis, "SET", "job", "queued")

    own_redis.restart()

    assert own_redis.url == url
    assert ask(own_redis, "GET", "job") == "queued"


def test_what_was_acknowledged_before_sigkill_is_there_afterwards(own_redis: RedisServer) -> None:
    ask(own_redis, "SET", "job", "queued")

    own_redis.kill()
    assert not own_redis.running
    own_redis.start()

    assert ask(own_redis, "GET", "job") == "queued"


def test_a_paused_server_is_silent_until_it_goes_on(own_redis: RedisServer) -> None:
    own_redis.pause()
    client = redis.Redis.from_url(own_redis.url, socket_timeout=0.2)
    with pytest.raises(redis.TimeoutError):
        client.ping()
    client.close()

    own_redis.resume()

    assert ask(own_redis, "PING") is True


def test_a_paused_server_can_be_stopped(own_redis: RedisServer) -> None:
    own_redis.pause()

    own_redis.stop()

    assert not psutil.pid_exists(own_redis.pid)


def test_a_stopped_server_cannot_be_signalled(own_redis: RedisServer) -> None:
    own_redis.stop()

    with pytest.raises(ServerStopped, match="does not run"):
        own_redis.pause()


def test_starting_twice_is_refused(own_redis: RedisServer) -> None:
    with pytest.raises(StartFailed, match="runs already"):
        own_redis.start()


def test_two_at_once_have_ports_of_their_own(own_redis: RedisServer) -> None:
    with start_redis() as other:
        ask(own_redis, "SET", "whose", "mine")

        assert other.port != own_redis.port
        assert ask(other, "GET", "whose") is None


def test_a_port_can_be_asked_for(own_redis: RedisServer) -> None:
    port = own_redis.port
    own_redis.close()

    with start_redis(port=port) as server:
        assert server.url == f"redis://127.0.0.1:{port}/0"


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(StartFailed, match=f"127.0.0.1:{port}: the port is in use"):
            start_redis(port=port)


def test_temporary_data_is_removed_at_the_end(own_redis: RedisServer) -> None:
    directory = own_redis.instance.directory
    assert directory.exists()

    own_redis.close()

    assert not directory.exists()


def test_data_in_a_directory_of_the_callers_outlives_the_server(data_directory: Path) -> None:
    with start_redis(data_directory=data_directory) as server:
        ask(server, "SET", "job", "queued")

    with start_redis(data_directory=data_directory) as server:
        assert ask(server, "GET", "job") == "queued"


def test_two_servers_on_the_same_data_are_refused(data_directory: Path) -> None:
    with (
        start_redis(data_directory=data_directory),
        pytest.raises(StartFailed, match="another server uses"),
    ):
        start_redis(data_directory=data_directory)
