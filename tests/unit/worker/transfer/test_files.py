"""Files of lines: whole or not there, and cut into the same parts by every run."""

import gzip
import io
from pathlib import Path

import pytest

from worker.transfer.files import Line, Part, opened, parts_of, whole_file


def parts(content: bytes, most_lines: int = 2, most_bytes: int = 10_000, longest: int = 100) -> list[Part]:
    return list(parts_of(io.BytesIO(content), most_lines, most_bytes, longest))


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    with whole_file(path) as out:
        out.write(b"one\n")
        assert not path.exists()

    assert path.read_bytes() == b"one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_file_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    path.write_bytes(b"before")
    with pytest.raises(TypeError), whole_file(path) as out:
        out.writelines([b"half", None])  # type: ignore[list-item]  # what breaks it

    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.ndjson.gz", "out.ndjson"])
def test_gzip_goes_by_the_name_when_written_and_by_the_content_when_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with whole_file(path) as out:
        out.write(b"one\ntwo\n")

    assert (path.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")
    path = path.rename(tmp_path / "renamed")
    with opened(path) as (lines, below):
        assert list(lines) == [b"one\n", b"two\n"]
        assert below.tell() == path.stat().st_size


def test_an_empty_file_has_no_parts(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with opened(path) as (lines, _):
        assert list(parts_of(lines, 2, 100, 100)) == []


def test_parts_are_cut_at_a_count_and_at_bytes() -> None:
    assert [[line.number for line in part.lines] for part in parts(b"a\nb\nc\n")] == [[1, 2], [3]]
    assert [len(part.lines) for part in parts(b"a" * 50 + b"\nb\nc", most_lines=9, most_bytes=250)] == [1, 2]


def test_a_line_over_the_bound_of_a_part_is_alone_and_its_neighbours_are_whole_parts() -> None:
    content = b"a\nb\n" + b"l" * 90 + b"\nc\nd\n"
    cut = parts(content, most_lines=9, most_bytes=250)
    tight = parts(content, most_lines=9, most_bytes=150)

    assert [[line.number for line in part.lines] for part in cut] == [[1, 2], [3], [4, 5]]
    assert [len(part.lines) for part in tight] == [1] * 5


def test_a_part_that_ends_before_a_large_line_has_the_digest_of_what_stands_before_it() -> None:
    before, *_ = parts(b"a\nb\n" + b"l" * 90 + b"\n", most_lines=9, most_bytes=250)

    assert [before] == parts(b"a\nb\n")


def test_lines_lose_their_ends_and_nothing_else() -> None:
    (part,) = parts(b" a \r\n\nlast", most_lines=9)

    assert part.lines == [Line(1, b" a "), Line(2, b""), Line(3, b"last")]


def test_a_line_over_the_limit_is_skipped_whole() -> None:
    content = b"a" * 100 + b"\n" + b"b" * 101 + b"\n" + b"c" * 1000 + b"\nlast\n" + b"d" * 500
    (part,) = parts(content, most_lines=9)

    assert part.lines == [Line(1, b"a" * 100), Line(2, None), Line(3, None), Line(4, b"last"), Line(5, None)]


def test_a_digest_stands_for_all_up_to_its_end() -> None:
    longer, same, other = parts(b"a\nb\nc\nd\n"), parts(b"a\nb\n"), parts(b"x\nb\nc\nd\n")

    assert longer[0] == same[0]
    assert longer[1].digest != other[1].digest
    assert longer[1].lines == other[1].lines


def test_a_broken_gzip_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(b"a\n" * 10_000)[:-10])
    with opened(path) as (lines, _), pytest.raises(EOFError):
        list(parts_of(lines, 2, 100, 100))
