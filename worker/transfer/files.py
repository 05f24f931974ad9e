"""Files of lines: one that is there only when it is whole, and one that is read in parts. Blocking.

A part is some hundred lines with a digest of all that was read up to its end: a second run over the same
file, or the same stream, cuts the same parts with the same digests.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

# Of a file in gzip.
_GZIP_MARK = b"\x1f\x8b"
# What a line takes beside itself in the job that it travels in, without its id, which is a part of it.
_LINE_BYTES = 100


class Line(NamedTuple):
    """A line without its end; `text` is None where it was longer than allowed. `number` counts from 1."""

    number: int
    text: bytes | None


class Part(NamedTuple):
    """Lines that follow one another. `digest` is that of the whole file up to its end."""

    lines: list[Line]
    digest: str


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when the block has ended well; compressed where the name ends with .gz.

    It is written beside its place, so that a broken one is never taken for a whole one. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            with compressed(file) if path.suffix == ".gz" else _as_it_is(file) as out:
                yield out
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def compressed(file: BinaryIO) -> Iterator[BinaryIO]:
    """What is written goes into `file` in gzip, which tells the reader of a broken one that it is broken."""
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as out:
        yield cast(BinaryIO, out)


@contextmanager
def opened(path: Path | None) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """What to read lines from, and the file below it, which tells how far it is; None: standard input.

    Gzip is known by its first bytes. Raises OSError.
    """
    with _as_it_is(sys.stdin.buffer) if path is None else path.open("rb") as file:
        first = file.peek(2)[:2]  # type: ignore[attr-defined]  # a BufferedReader, all of them
        if first != _GZIP_MARK:
            yield file, file
            return
        with gzip.GzipFile(fileobj=file, mode="rb") as plain:
            yield cast(BinaryIO, plain), file


def parts_of(file: BinaryIO, most_lines: int, most_bytes: int, longest_line: int) -> Iterator[Part]:
    """The lines in parts of `most_bytes` at most; a line that is larger is a part of its own.

    Raises OSError or EOFError where the file is broken.
    """
    digest = blake2b(digest_size=16)
    lines: list[Line] = []
    size, so_far = 0, ""
    for number, text in enumerate(_lines(file, longest_line, digest), 1):
        more = len(text or b"") + _LINE_BYTES
        if lines and size + more > most_bytes:  # beside a large line the others could fit into no job
            yield Part(lines, so_far)
            lines, size = [], 0
        lines.append(Line(number, text))
        size, so_far = size + more, digest.hexdigest()
        if len(lines) == most_lines or size >= most_bytes:
            yield Part(lines, so_far)
            lines, size = [], 0
    if lines:
        yield Part(lines, so_far)


def _lines(file: BinaryIO, longest: int, digest: blake2b) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is longer, of which no more than that is held at a time."""
    while text := file.readline(longest + 2):
        digest.update(text)
        whole = text.endswith(b"\n") or len(text) < longest + 2
        if whole:
            text = text.rstrip(b"\r\n")
            yield text if len(text) <= longest else None
            continue
        while (more := file.readline(longest)) and not more.endswith(b"\n"):
            digest.update(more)
        digest.update(more)
        yield None


@contextmanager
def _as_it_is(file: BinaryIO) -> Iterator[BinaryIO]:
    yield file
