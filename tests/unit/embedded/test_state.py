"""The state of `services up`: true while its holder lives, stale afterwards."""

import json
import os
from pathlib import Path

import pytest

from embedded.errors import ServicesError
from embedded.state import Services, State

HERE = Services(os.getpid(), "redis://127.0.0.1:1/0", "http://127.0.0.1:2", None)


def test_a_held_state_is_read_back(tmp_path: Path) -> None:
    state = State(tmp_path)

    with state.held():
        assert state.read() is None
        state.write(HERE)
        assert state.read() == HERE

    assert state.read() is None
    assert not state.file.exists()


def test_a_state_file_that_nobody_holds_is_stale_though_its_process_lives(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.file.write_text(json.dumps({**HERE.__dict__, "pid": os.getppid()}))

    assert state.read() is None


def test_two_cannot_hold_the_services(tmp_path: Path) -> None:
    with State(tmp_path).held(), pytest.raises(ServicesError, match="run already"), State(tmp_path).held():
        pytest.fail("both hold them")


def test_waiting_for_services_that_do_not_end_is_an_error(tmp_path: Path) -> None:
    with State(tmp_path).held(), pytest.raises(ServicesError, match="did not end within 0 s"):
        State(tmp_path).wait_until_free(0.0)
