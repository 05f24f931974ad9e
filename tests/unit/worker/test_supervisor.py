"""The supervisor with real children: exit codes, signals passed on, the dead replaced.

Each test is a process of its own, so that its forks and signal handlers are not those of the test run.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SECONDS = 10
START = """
import logging, os, signal, sys, time
from worker import supervisor
from worker.supervisor import Supervisor
logging.basicConfig(level=logging.INFO)

def say(word):
    os.write(1, f"{word}\\n".encode())

def wait_for_signal(*_):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    say(os.getpid())
    return signal.sigwait({signal.SIGTERM, signal.SIGINT})
"""

Run = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a script that ends with the exit code of a supervisor."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", START + script],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def line(process: Any) -> str:
    """The next word that a child says; the test's time limit is the supervisor's own end."""
    said: str = process.stdout.readline()
    return said.strip()


def code(process: Any) -> int:
    ended: int = process.wait(SECONDS)
    return ended


@pytest.mark.parametrize(
    ("work", "expected"),
    [("lambda: 0", 0), ("lambda: 3", 1), ("lambda: 1 // 0", 1), ("lambda: sys.exit(0)", 1)],
)
def test_given_children_of_a_burst_when_they_end_then_the_exit_code_tells_whether_all_ended_well(
    run: Run, work: str, expected: int
) -> None:
    process = run(f"sys.exit(Supervisor({work}, 2, burst=True).run())")

    assert code(process) == expected


def test_given_a_child_that_raises_then_it_is_logged_with_its_traceback(run: Run) -> None:
    process = run("sys.exit(Supervisor(lambda: 1 // 0, 1, burst=True).run())")

    _, errors = process.communicate(timeout=SECONDS)
    assert "the worker process failed" in errors
    assert "ZeroDivisionError" in errors


def test_given_a_burst_in_which_one_child_fails_then_it_has_failed_and_is_not_replaced(run: Run) -> None:
    process = run(
        """
reading, writing = os.pipe()
os.write(writing, b"x")
os.set_blocking(reading, False)
def work():
    say("started")
    try:
        return len(os.read(reading, 1))
    except BlockingIOError:
        return 0
sys.exit(Supervisor(work, 3, burst=True).run())
"""
    )

    said, _ = process.communicate(timeout=SECONDS)
    assert said.split() == ["started"] * 3
    assert process.returncode == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_given_a_signal_then_every_child_gets_it_and_the_end_is_good(
    run: Run, signum: signal.Signals
) -> None:
    process = run(
        """
def work():
    say(signal.Signals(wait_for_signal()).name)
    return 0
sys.exit(Supervisor(work, 2, burst=False).run())
"""
    )
    assert all(line(process).isdigit() for _ in range(2))

    process.send_signal(signum)

    assert [line(process) for _ in range(2)] == [signum.name] * 2
    assert code(process) == 0


def test_given_a_signal_when_a_child_ends_badly_then_the_end_is_bad(run: Run) -> None:
    process = run("sys.exit(Supervisor(lambda: wait_for_signal() and 4, 2, burst=False).run())")
    assert all(line(process).isdigit() for _ in range(2))

    process.send_signal(signal.SIGTERM)

    assert code(process) == 1


def test_given_a_child_that_dies_then_another_is_started_and_a_later_signal_ends_well(run: Run) -> None:
    process = run("sys.exit(Supervisor(lambda: 0 if wait_for_signal() else 1, 2, burst=False).run())")
    first, second = int(line(process)), int(line(process))

    os.kill(first, signal.SIGKILL)
    third = int(line(process))
    process.send_signal(signal.SIGTERM)

    assert third not in (first, second)
    assert code(process) == 0


def test_given_a_pause_before_the_next_start_when_a_signal_comes_then_it_is_not_waited_for(run: Run) -> None:
    process = run(
        """
supervisor._FIRST_PAUSE_SECONDS = supervisor._LONGEST_PAUSE_SECONDS = 600.0
class Told(logging.Handler):
    def emit(self, record):
        if "another is started" in record.msg: say("pausing")
logging.getLogger().addHandler(Told())
sys.exit(Supervisor(lambda: 1, 1, burst=False).run())
"""
    )
    assert line(process) == "pausing"

    process.send_signal(signal.SIGTERM)

    assert code(process) == 0


def test_given_a_signal_between_two_starts_then_no_child_is_left_that_never_got_it(run: Run) -> None:
    process = run(
        """
class Told(logging.Handler):
    def emit(self, record):
        logging.getLogger().removeHandler(self)
        os.kill(os.getpid(), signal.SIGTERM)
logging.getLogger().addHandler(Told())
Supervisor(lambda: 0 if wait_for_signal() else 1, 3, burst=False).run()
"""
    )

    assert code(process) == 0


def test_given_a_process_that_it_did_not_start_when_that_ends_then_it_goes_on(run: Run) -> None:
    """As the first process of a container it inherits every orphan."""
    process = run(
        """
if os.fork() == 0:
    os._exit(0)
sys.exit(Supervisor(lambda: 0, 1, burst=True).run())
"""
    )

    assert code(process) == 0


def test_given_a_signal_to_the_whole_group_then_each_child_gets_it_once(run: Run) -> None:
    """As a terminal sends it at Ctrl-C; a second signal would tell a worker to cut what is under way."""
    process = run(
        """
def work():
    first = wait_for_signal()
    say("again" if signal.sigtimedwait({signal.SIGINT}, 0.5) else "once")
    return 0
sys.exit(Supervisor(work, 2, burst=False).run())
"""
    )
    assert all(line(process).isdigit() for _ in range(2))

    os.killpg(process.pid, signal.SIGINT)

    assert [line(process) for _ in range(2)] == ["once"] * 2
    assert code(process) == 0


@pytest.mark.parametrize("burst", [True, False])
def test_given_children_that_are_refused_a_start_then_it_ends_as_they_did(run: Run, burst: bool) -> None:
    process = run(f"sys.exit(Supervisor(lambda: 2, 3, burst={burst}).run())")

    assert code(process) == 2


def test_given_one_refused_child_when_another_lives_then_it_is_started_again(run: Run) -> None:
    process = run(
        """
reading, writing = os.pipe()
os.write(writing, b"x")
os.set_blocking(reading, False)
def work():
    try:
        os.read(reading, 1)
    except BlockingIOError:
        return 0 if wait_for_signal() else 1
    wait_for_signal()
    say("refused")
    return 2
sys.exit(Supervisor(work, 2, burst=False).run())
"""
    )
    first, second = int(line(process)), int(line(process))

    for child in (first, second):  # one of them is refused, the other ends well
        os.kill(child, signal.SIGTERM)
        if line(process) == "refused":
            break
    assert line(process).isdigit()
    process.send_signal(signal.SIGTERM)

    assert process.wait(SECONDS) == 0


def test_given_a_signal_before_a_child_has_begun_then_it_ends_well(run: Run) -> None:
    process = run(
        """
def work():
    say(os.getpid())
    while True: signal.pause()
sys.exit(Supervisor(work, 2, burst=False).run())
"""
    )
    assert all(line(process).isdigit() for _ in range(2))

    process.send_signal(signal.SIGTERM)

    assert code(process) == 0
