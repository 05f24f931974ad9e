"""Processor time by role."""

from __future__ import annotations

import os
import socket
import time

from benchmarks.processor_time import Stopwatch, listening_process, seconds_of
from benchmarks.reading import Role


def burn(seconds: float) -> None:
    """Use the processor for so long."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_what_this_process_uses_is_the_producers() -> None:
    watch = Stopwatch({})
    burn(0.05)

    reading = watch.rate(units=10)

    # 50 ms over 10 units: 5000 µs each, and what the reading itself cost.
    assert 5_000 <= reading.microseconds[Role.PRODUCER] < 50_000
    assert 0 < reading.value <= 10 / 0.05


def test_roles_that_nobody_plays_are_not_measured() -> None:
    assert set(Stopwatch({Role.REDIS: [os.getpid()]}).rate(1).microseconds) == {Role.REDIS, Role.PRODUCER}


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert seconds_of(2**22 + 1) == 0


def test_a_server_is_found_by_the_port_on_which_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listening_process(f"redis://127.0.0.1:{server.getsockname()[1]}/0") == os.getpid()


def test_a_server_on_another_machine_is_nobody_here() -> None:
    assert listening_process("http://elasticsearch.example:9200") is None
