"""Which directories are used, and which are refused."""

import threading
from pathlib import Path

import pytest

from embedded import places
from embedded.account import Account, others_can_enter, others_can_read, server_account
from embedded.distribution import readable_program
from embedded.errors import CacheUnsafe
from embedded.places import cache_directory, install_directory, locked, make_own

SOMEONE = Account(uid=65534, gid=65534)


def test_the_cache_is_below_xdg_cache_home(tmp_path: Path) -> None:
    assert cache_directory({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "penstock"


@pytest.mark.parametrize("given", [{}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative/path"}])
def test_else_it_is_below_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache_directory(given) == tmp_path / ".cache" / "penstock"


def test_a_directory_that_everyone_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "penstock").mkdir()
    (tmp_path / "penstock").chmod(0o777)

    with pytest.raises(CacheUnsafe, match="not be writable by everyone"):
        make_own(tmp_path / "penstock")


def test_root_keeps_server_files_where_the_servers_user_can_read_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir(mode=0o700)
    monkeypatch.setattr(places, "SYSTEM_CACHE", tmp_path / "system")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "root")}

    assert install_directory(environment, SOMEONE) == tmp_path / "system"
    assert install_directory(environment, None) == tmp_path / "root" / "penstock"


def test_a_program_that_others_cannot_reach_is_copied_once(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    program = tmp_path / "private" / "valkey-server"
    program.write_text("program")
    program.chmod(0o755)
    (tmp_path / "cache").mkdir()

    copy = readable_program(program, tmp_path / "cache", SOMEONE)

    assert copy.parent == tmp_path / "cache"
    assert copy.read_text() == "program"
    assert readable_program(program, tmp_path / "cache", SOMEONE) == copy
    assert readable_program(program, tmp_path / "cache", None) == program


def test_one_unreadable_file_makes_a_directory_unreadable(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    library = Path(threading.__file__)

    assert not others_can_enter(tmp_path / "closed")
    assert not others_can_read(tmp_path / "closed")
    assert others_can_read(library) == others_can_enter(library.parent)


def test_the_servers_never_run_as_root() -> None:
    account = server_account()

    assert account is None or account.uid != 0


def test_a_second_holder_of_a_lock_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with locked(tmp_path / ".lock"):
            order.append("second")

    with locked(tmp_path / ".lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        order.append("first")
    thread.join(5)

    assert order == ["first", "second"]
