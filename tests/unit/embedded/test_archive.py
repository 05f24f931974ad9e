"""Files reach the cache whole, checked and closed to other writers, or not at all."""

import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pytest

from embedded.archive import check_free_disk, check_sha512, copy_for_readers, partial_directory, unzip
from embedded.errors import ChecksumMismatch, NotEnoughDisk


def modes(path: Path) -> dict[str, int]:
    return {str(p.relative_to(path)): stat.S_IMODE(p.stat().st_mode) for p in path.rglob("*")}


def test_the_pinned_file_passes_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "server.zip"
    file.write_bytes(b"the real one")

    check_sha512(file, hashlib.sha512(b"the real one").hexdigest())

    assert file.exists()


def test_another_file_is_deleted_and_both_digests_are_named(tmp_path: Path) -> None:
    file = tmp_path / "server.zip"
    file.write_bytes(b"changed on the way")

    with pytest.raises(ChecksumMismatch) as caught:
        check_sha512(file, "ab" * 64)

    assert not file.exists()
    assert "server.zip" in str(caught.value)
    assert "ab" * 64 in str(caught.value)
    assert hashlib.sha512(b"changed on the way").hexdigest() in str(caught.value)


def test_a_full_disk_is_found_before_the_download(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDisk, match=r"MiB free and \d+ MiB are needed"):
        check_free_disk(tmp_path, 2**60)


def test_unzip_keeps_programs_runnable_and_opens_files_to_readers_only(tmp_path: Path) -> None:
    archive = tmp_path / "server.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for name, mode in (
            ("s/bin/run", 0o100755),
            ("s/config/options", 0o100660),
            ("s/lib/a.jar", 0o100666),
        ):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            content.writestr(entry, b"x")

    unzip(archive, tmp_path / "out")

    found = modes(tmp_path / "out" / "s")
    assert found["bin/run"] == 0o755
    assert found["config/options"] == 0o644
    assert found["lib/a.jar"] == 0o644
    assert found["config"] == 0o755


def test_a_copy_for_readers_does_not_depend_on_the_source_modes(tmp_path: Path) -> None:
    source = tmp_path / "java"
    (source / "bin").mkdir(parents=True, mode=0o700)
    (source / "bin" / "java").write_text("program")
    (source / "bin" / "java").chmod(0o700)
    (source / "modules").write_text("data")
    (source / "modules").chmod(0o600)
    (tmp_path / "cache").mkdir()

    copy_for_readers(source, tmp_path / "cache" / "java-25")

    copy = tmp_path / "cache" / "java-25"
    assert modes(copy) == {"bin": 0o755, "bin/java": 0o755, "modules": 0o644}
    assert os.listdir(tmp_path / "cache") == ["java-25"]


def test_a_single_program_can_be_copied(tmp_path: Path) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("program")
    program.chmod(0o700)
    (tmp_path / "cache").mkdir()

    copy_for_readers(program, tmp_path / "cache" / "valkey-server-1")

    assert stat.S_IMODE((tmp_path / "cache" / "valkey-server-1").stat().st_mode) == 0o755


def test_what_a_killed_installation_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".partial-old").mkdir()
    (tmp_path / ".partial-old" / "half.zip").write_text("half")

    with partial_directory(tmp_path) as partial:
        assert [partial.name] == os.listdir(tmp_path)

    assert os.listdir(tmp_path) == []
