"""``penstock export INDEX [FILE]``: all documents of an index, one JSON object a line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch

from jobs.names import check_index_name
from settings import Settings

from ..answers import read_failure
from ..backoff import Backoff
from ..elastic import client_arguments
from ..reindexing.pages import PointInTimeLost, Unreadable
from ..transfer.exporting import ExportBroken, export
from ..transfer.files import compressed, whole_file
from .common import errors, settings_or_exit
from .shown_progress import ShownProgress

Index = Annotated[str, typer.Argument(metavar="INDEX", help="The index or alias.")]
File = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="Where to; gzip where the name ends with .gz. - or nothing: standard output.",
        allow_dash=True,
    ),
]
Gzip = Annotated[bool, typer.Option("--gzip", help="Compress what goes to standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace FILE, where it is there already.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Do not show how far it is.")]


def export_index(
    index: Index,
    file: File = None,
    gzip: Gzip = False,
    overwrite: Overwrite = False,
    no_progress: NoProgress = False,
) -> None:
    """Write all documents of an index, as they are at this moment, one a line:

    {"_id": "42", "_routing": "de", "_source": {"name": "Tap"}}

    Each source is what Elasticsearch holds, to the digit. FILE gets its name when it is whole. Exit code 0
    where all documents were written; 1 where not, and then what went to standard output is not the index.
    """
    _check_name(index)
    path = None if file is None or str(file) == "-" else file
    if path is not None and gzip:
        raise typer.BadParameter("--gzip is for standard output: a FILE is compressed by its name")
    if path is not None and path.exists() and not overwrite:
        raise typer.BadParameter(f"{path} is there already: --overwrite replaces it")
    settings = settings_or_exit()
    written = _exported(settings, index, path, gzip, not no_progress)
    errors.print(f"{written} documents written", highlight=False)


def _check_name(index: str) -> None:
    """Elasticsearch takes an empty name, or a pattern, for all indices that fit."""
    try:
        check_index_name(index)
    except ValueError as error:
        raise typer.BadParameter(f"INDEX: {error}, got {index!r}") from None


def _exported(settings: Settings, index: str, path: Path | None, gzip: bool, show: bool) -> int:
    """Exit code 1 with one line where it can't be done, or not to the end."""
    try:
        with ShownProgress(errors, wanted=show) as shown, _out(path, gzip) as out:
            return asyncio.run(_run(settings, index, out, shown))
    except (ApiError, TransportError) as error:
        told = f"Elasticsearch: {read_failure(error)[1].reason}"
    except PointInTimeLost as error:
        told = f"{error} (it has started anew, or nothing was read for 5 minutes): start again"
    except (ExportBroken, Unreadable) as error:
        told = str(error)
    except OSError as error:
        told = f"{path or 'standard output'}: {error.strerror or error}"
    except KeyboardInterrupt:
        told = "interrupted"
    errors.print(told, style="red", highlight=False, markup=False)
    raise typer.Exit(1)


async def _run(settings: Settings, index: str, out: BinaryIO, shown: ShownProgress) -> int:
    async def write(lines: bytes) -> None:
        await asyncio.to_thread(out.write, lines)  # it compresses, or waits for the reader of a pipe

    def progress(done: int, total: int) -> None:
        shown.at(done, total, f"{done} of {total} documents")

    async with AsyncElasticsearch(**client_arguments(settings)) as client:
        backoff = Backoff.of(settings)
        return await export(client, index, write, backoff, progress)


@contextmanager
def _out(path: Path | None, gzip: bool) -> Iterator[BinaryIO]:
    if path is not None:
        with whole_file(path) as out:
            yield out
    elif gzip:
        with compressed(sys.stdout.buffer) as out:
            yield out
    else:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
