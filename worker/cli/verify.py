"""``penstock verify INDEX --source NAME``: compare an index with the source that it is made from."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import typer
from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch
from redis.exceptions import RedisError
from rich.markup import escape
from rich.table import Table

from jobs import JobFailed, QueueUnavailable
from jobs.connection import connect
from jobs.models import VerifyIndex
from settings import Settings, SettingsError

from ..answers import read_failure
from ..backoff import Backoff
from ..elastic import client_arguments
from ..records import BadRecord
from ..registry import Registry, load_registry
from ..reindexing.pages import Unreadable
from ..verifying.comparing import Kind
from ..verifying.findings import Place
from ..verifying.job import details
from ..verifying.reading import SourceFailed
from ..verifying.run import verify as compare
from .common import QueueName, checked, console, errors, settings_or_exit
from .shown_progress import ShownProgress

# The exit code where something differs: a script can tell it from a failure (1) and a wrong call (2).
DIFFERS = 3

Index = Annotated[str, typer.Argument(metavar="INDEX", help="The index or alias.")]
Source = Annotated[str, typer.Option("--source", help="The source, as it is registered (PENSTOCK_SOURCES).")]
Repair = Annotated[bool, typer.Option("--repair", help="Enqueue a load for each id that differs.")]
Again = Annotated[
    bool, typer.Option("--again", help="Begin anew, and do not go on where the last one was cut off.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")]


def verify(
    index: Index,
    source: Source,
    repair: Repair = False,
    again: Again = False,
    queue: QueueName = None,
    as_json: AsJson = False,
) -> None:
    """Compare an index with a source: what is missing, what is too much, what differs.

    What differs is looked at twice: writes on their way are not told, jobs that still wait in the queue are.
    Exit code 0 where nothing differs or all was repaired, 3 where something does, 1 where it failed. It
    goes on where an interrupted one was cut off.
    """
    settings = settings_or_exit(queue)
    payload = checked(lambda: VerifyIndex(index=index, source=source, repair=repair))
    place = _compared(settings, _registry(settings), payload, again)
    if as_json:
        console.print_json(data={"index": index} | details(place))
    else:
        console.print(_table(place))
    if place.findings.total > place.findings.repaired:
        raise typer.Exit(DIFFERS)


def _registry(settings: Settings) -> Registry:
    try:
        return load_registry(settings.sources)
    except SettingsError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None


def _compared(settings: Settings, registry: Registry, payload: VerifyIndex, again: bool) -> Place:
    try:
        return asyncio.run(_run(settings, registry, payload, again))
    except JobFailed as error:
        told = error.report.rejected[0].reason
    except (ApiError, TransportError) as error:
        told = f"Elasticsearch: {read_failure(error)[1].reason}"
    except QueueUnavailable as error:  # a repair could not be enqueued
        told = f"{error}; the same command goes on from here"
    except (RedisError, OSError) as error:
        told = f"Redis at {settings.redis_url} does not answer: {error}"
    except Unreadable as error:
        told = str(error)
    except (SourceFailed, BadRecord) as error:
        told = f"source {payload.source!r}: {error}"
    except KeyboardInterrupt:
        told = "interrupted; the same command goes on from here"
    errors.print(told, style="red", highlight=False, markup=False)
    raise typer.Exit(1)


async def _run(settings: Settings, registry: Registry, payload: VerifyIndex, again: bool) -> Place:
    backoff = Backoff.of(settings)
    async with (
        AsyncElasticsearch(**client_arguments(settings)) as client,
        connect(settings.redis_url.reveal()) as redis,
    ):
        try:
            # The comparison is patient: where nobody answers from the first, whoever waits is to hear of it.
            await client.options(ignore_status=404).count(index=payload.index)
            with ShownProgress(errors, wanted=True) as shown:
                return await compare(
                    client,
                    redis,
                    registry,
                    payload,
                    backoff,
                    queue=settings.queue,
                    source_timeout=settings.source_timeout_seconds,
                    again=again,
                    progress=partial(_show, shown),
                )
        finally:
            await registry.close()


def _show(shown: ShownProgress, place: Place) -> None:
    if place.side == "done":
        return
    text = f"{place.side} side, {place.findings.total} differ: {place.done} of about {place.total}"
    shown.at(place.done, place.total or None, text)


def _table(place: Place) -> Table:
    findings = place.findings
    table = Table(title=escape(f"{place.index} against source {place.source}"), show_header=False)
    table.add_row("documents", f"{place.documents}")
    for kind in Kind:
        named = findings.ids[kind]
        more = " …" if findings.counts[kind] > len(named) else ""
        ids = f"  {escape(', '.join(named))}{more}" if named else ""
        table.add_row(kind, f"{findings.counts[kind]}{ids}")
    if findings.repaired:
        table.add_row("repairs enqueued", f"{findings.repaired}")
    return table
