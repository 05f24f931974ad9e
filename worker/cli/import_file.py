"""``penstock import INDEX FILE``: documents out of a file of lines, through the queue into an index."""

from __future__ import annotations

import asyncio
import os
import stat
import zlib
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, NoReturn, Self

import orjson
import typer
from redis.exceptions import RedisError
from rich.markup import escape
from rich.table import Table

from jobs import IndexQueue, PenstockError
from settings import Settings

from ..transfer.files import opened, parts_of
from ..transfer.importing import Import, Tally, Told
from ..transfer.lines import ReadLine, read_exported, reader_by_field
from .common import QueueName, console, errors, settings_or_exit
from .dead_tables import plain
from .shown_progress import ShownProgress

# A second run finds what the first has enqueued for so long.
_KEYS_SECONDS = 7 * 86_400
_PART_LINES = 500
_PART_BYTES = 1024 * 1024
_SHOWN_BAD = 20

Index = Annotated[str, typer.Argument(metavar="INDEX", help="The index or alias to write to.")]
File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Lines, plain or in gzip. -: standard input.", allow_dash=True),
]
IdField = Annotated[
    str | None,
    typer.Option(
        "--id-field",
        metavar="FIELD",
        help="The lines are plain documents, and this field (a.b: a in b) has their ids.",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Enqueue what an earlier run has enqueued as well.")]
BadLines = Annotated[
    Path | None,
    typer.Option("--bad-lines", metavar="FILE", help="Write bad and rejected lines there, as JSON lines."),
]
MostWaiting = Annotated[
    int, typer.Option("--most-waiting", min=0, help="Enqueue only while the queue has no more jobs waiting.")
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Do not show how far it is.")]


def import_file(
    index: Index,
    file: File,
    id_field: IdField = None,
    again: Again = False,
    bad_lines: BadLines = None,
    most_waiting: MostWaiting = 1000,
    queue: QueueName = None,
    no_progress: NoProgress = False,
) -> None:
    """Write the documents of a file, one JSON object a line, into an index: through the queue, as bulk jobs.

    The lines are those of `penstock export`, or plain documents with --id-field. Workers must be running. A
    line that is bad, or whose document is rejected, is told by its number, and the others go on.

    A run that was cut off, by kill -9 too, goes on with the same command: what was enqueued from the same
    content to the same index and queue in the last 7 days is not enqueued again (--again does). Exit code 0
    where all was written, 1 where a line was bad or rejected, or it was cut off, or an earlier run's reports
    have expired, so that it is not known what became of those documents.
    """
    settings = settings_or_exit(queue)
    path = None if str(file) == "-" else file
    salt = f"{id_field or ''}\0{os.urandom(16).hex() if again else ''}"
    wish = _Wish(index, reader_by_field(id_field) if id_field else read_exported, most_waiting, salt)
    try:
        with opened(path) as (lines, below), _Bad(bad_lines) as bad:
            size = _size_of(below) if path else None
            with ShownProgress(errors, wanted=not no_progress) as shown:
                tally = _imported(settings, wish, lines, _told(bad, shown, below, size))
            bad.tell_the_rest()
    except OSError as error:
        _exit_with(f"{error.filename or file}: {error.strerror or error}")
    console.print(_table(tally, index))
    if tally.unknown:
        errors.print(_fate_unknown(tally.unknown), style="red", highlight=False, soft_wrap=True)
    if not tally.faultless:
        raise typer.Exit(1)


def _size_of(file: BinaryIO) -> int | None:
    """In bytes; None for a pipe, which has no size and can't tell how far it is."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@dataclass(frozen=True)
class _Wish:
    index: str
    read: ReadLine
    most_waiting: int
    salt: str


def _imported(settings: Settings, wish: _Wish, lines: BinaryIO, told: Told) -> Tally:
    """Exit code 1 with one line where it was cut off."""
    try:
        return asyncio.run(_run(settings, wish, lines, told))
    except (PenstockError, RedisError) as error:
        reason = str(error)
    except (EOFError, BadGzipFile, zlib.error) as error:
        reason = f"the file is broken, what stood before was enqueued: {error}"
    except KeyboardInterrupt:
        reason = "interrupted: the same command goes on from here"
    return _exit_with(reason)


async def _run(settings: Settings, wish: _Wish, lines: BinaryIO, told: Told) -> Tally:
    async with IndexQueue(
        settings.redis_url.reveal(),
        queue=settings.queue,
        max_job_bytes=settings.job_max_bytes,
        idempotency_seconds=_KEYS_SECONDS,
    ) as queue:
        overview = await queue.overview(0)  # also: a Redis that is not there is told of now
        if not any(worker.alive for worker in overview.workers):
            told.waiting(f"no worker of queue {settings.queue} is running: reports come when one is")
        # Half of what a job may have: an action has a line's id twice.
        most_bytes = min(_PART_BYTES, settings.job_max_bytes // 2)
        parts = parts_of(lines, _PART_LINES, most_bytes, settings.job_max_bytes)
        work = Import(queue, wish.index, wish.read, told, most_waiting=wish.most_waiting, salt=wish.salt)
        return await work.run(parts)


class _Bad:
    """Bad and rejected lines: all of them into a file, if there is one, and the first on standard error."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._file = path, None if path is None else path.open("wb")
        self._told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def tell(self, number: int, id: str | None, type: str, reason: str) -> None:
        """One line of the file."""
        if self._file is not None:
            told = {"line": number, "id": id, "type": type, "reason": reason}
            self._file.write(orjson.dumps(told) + b"\n")
            self._file.flush()
        self._told += 1
        if self._told <= _SHOWN_BAD:
            what = "" if id is None else f" ({plain(id)})"
            errors.print(
                f"line {number}{what}: {plain(type)}: {plain(reason)}", highlight=False, soft_wrap=True
            )

    def tell_the_rest(self) -> None:
        """How many were not shown."""
        if self._told > _SHOWN_BAD:
            where = f"all are in {self._path}" if self._path else "--bad-lines FILE would have them all"
            errors.print(f"… and {self._told - _SHOWN_BAD} more lines: {where}", highlight=False)


def _told(bad: _Bad, shown: ShownProgress, below: BinaryIO, size: int | None) -> Told:
    last_said = ""

    def waiting(text: str) -> None:
        nonlocal last_said
        if text != last_said:
            shown.say(text)
        last_said = text

    def progress(tally: Tally) -> None:
        place = below.tell() if size is not None else 0
        text = f"{tally.lines} lines read, {tally.reported} of {tally.enqueued} documents reported"
        shown.at(place, size, text)

    return Told(bad.tell, progress, waiting)


def _table(tally: Tally, index: str) -> Table:
    table = Table(title=escape(f"import into {index}"), show_header=False)
    rows = {
        "lines": tally.lines,
        "bad lines": tally.bad,
        "documents": tally.enqueued,
        "enqueued by an earlier run": tally.earlier,
        "of those, report expired": tally.unknown,
        **dict(sorted(tally.outcomes.items())),
    }
    for name, number in rows.items():
        if number or name in ("lines", "documents"):
            table.add_row(name, f"{number}")
    return table


def _fate_unknown(documents: int) -> str:
    return (
        f"{documents} documents: an earlier run enqueued them and their reports have expired, so that it is "
        "not known whether they were written. The same command with --again imports the whole file again, "
        "over what was written since; penstock dead list has what was rejected, while dead letters are kept."
    )


def _exit_with(told: str) -> NoReturn:
    errors.print(told, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1)
