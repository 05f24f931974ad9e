"""``penstock reindex start|status|cancel|rollback|list|forget``: rebuild the index behind an alias."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from elastic_transport import ApiError, TransportError

from jobs import IndexQueue, JobHandle, ReindexStatus, Report
from jobs.connection import connect

from ..elastic import ProcessClient
from ..reindexing.forgetting import Forgotten
from ..reindexing.forgetting import forget as forget_reindex
from .common import QueueName, console, errors, settings_or_exit, with_queue
from .dead_tables import plain
from .following import follow as followed
from .following import shown_on
from .reindex_tables import reindexes_table, report_lines, status_table

app = typer.Typer(help="Rebuild the index behind an alias while writes go on.", no_args_is_help=True)

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The alias, or an index to be turned into one.")]
Follow = Annotated[
    bool, typer.Option("--follow", help="Show the progress until the report; exit code 1 for a failure.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_INTERRUPTED = 130


def _json_object(text: str) -> dict[str, Any]:
    """JSON itself, or the name of a file that has it."""
    try:
        found = json.loads(text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"expected a JSON object or a file with one, got {text!r}: {error}"
        ) from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"expected a JSON object, got {text!r}")
    return found


Mappings = Annotated[
    dict[str, Any] | None,
    typer.Option(parser=_json_object, metavar="FILE|JSON", help="Mappings of the new index."),
]
Settings = Annotated[
    dict[str, Any] | None,
    typer.Option(parser=_json_object, metavar="FILE|JSON", help="Settings of the new index."),
]


@app.command()
def start(
    alias: Alias,
    mappings: Mappings = None,
    settings: Settings = None,
    source: Annotated[str | None, typer.Option(help="Copy out of this registered source.")] = None,
    transform: Annotated[str | None, typer.Option(help="Change documents by this transform.")] = None,
    slices: Annotated[int | None, typer.Option(min=1, max=1024, help="Parts to copy side by side.")] = None,
    follow: Follow = False,
    queue: QueueName = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a reindex: a new index, filled while writes go on, then one swap."""
    given = {
        "mappings": mappings,
        "settings": settings,
        "source": source,
        "transform": transform,
        "slices": slices,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    _enqueue(alias, wanted, queue, follow=follow, as_json=as_json)


@app.command()
def rollback(alias: Alias, follow: Follow = False, queue: QueueName = None, as_json: AsJson = False) -> None:
    """Enqueue the way back to the index that the latest reindex has replaced, with what was written since."""
    _enqueue(alias, {"rollback": True}, queue, follow=follow, as_json=as_json)


@app.command()
def status(alias: Alias, follow: Follow = False, queue: QueueName = None, as_json: AsJson = False) -> None:
    """Show how far the reindex of an alias is, or how the latest one ended; exit code 1 without any."""
    found = with_queue(settings_or_exit(queue), lambda it: it.reindex_status(alias))
    if follow and found.running:
        _follow(alias, found.job_id, queue, as_json=as_json)
    elif as_json:
        console.print_json(data=found.to_wire())
    else:
        console.print(status_table(found))


@app.command("list")
def list_reindexes(queue: QueueName = None, as_json: AsJson = False) -> None:
    """List the reindexes that are or were under way, one an alias."""
    found = with_queue(settings_or_exit(queue), lambda it: it.reindexes())
    if as_json:
        console.print_json(data=[one.to_wire() for one in found])
    elif found:
        console.print(reindexes_table(found))
    else:
        console.print("no reindexes")


@app.command()
def cancel(alias: Alias, queue: QueueName = None) -> None:
    """Have a reindex stop; alias and data stay as they were. Exit code 1 where it is too late."""
    found: ReindexStatus = with_queue(settings_or_exit(queue), lambda it: it.cancel_reindex(alias))
    told = f"{plain(alias)}: job {plain(found.job_id)} stops at its next step"
    console.print(told, highlight=False, soft_wrap=True)


@app.command()
def forget(
    alias: Alias,
    delete_index: Annotated[
        bool, typer.Option("--delete-index", help="Delete the index that is kept for a rollback as well.")
    ] = False,
    queue: QueueName = None,
) -> None:
    """End the recording for a rollback, after which none is possible. Exit code 1 while a reindex runs."""
    settings = settings_or_exit(queue)

    async def run(index_queue: IndexQueue) -> Forgotten:
        elastic = ProcessClient.of(settings)
        redis = connect(settings.redis_url.reveal())
        try:
            return await forget_reindex(redis, elastic.client, alias, delete_index=delete_index)
        finally:
            await redis.aclose()
            await elastic.close()

    try:
        forgotten = with_queue(settings, run)
    except (ApiError, TransportError) as error:
        errors.print(plain(f"Elasticsearch did not delete the index: {error}"), style="red", highlight=False)
        raise typer.Exit(1) from None
    told = f"{alias}: forgotten{''.join(f', {index} deleted' for index in forgotten.deleted)}"
    console.print(plain(told), highlight=False, soft_wrap=True)
    for index, why in forgotten.left.items():
        left = f"{index} is left behind, Elasticsearch refuses to delete it: {why}"
        errors.print(plain(left), style="red", highlight=False, soft_wrap=True)
    if forgotten.left:
        raise typer.Exit(1)


def _enqueue(alias: str, wanted: dict[str, Any], queue: str | None, *, follow: bool, as_json: bool) -> None:
    async def run(index_queue: IndexQueue) -> JobHandle:
        return await index_queue.reindex(alias=alias, **wanted)

    job = with_queue(settings_or_exit(queue), run)
    if follow:
        _follow(alias, job.id, queue, as_json=as_json)
    elif as_json:
        console.print_json(data={"alias": alias, "job": job.id})
    else:
        console.print(f"job {job.id}", highlight=False)


def _follow(alias: str, job_id: str, queue: str | None, *, as_json: bool) -> None:
    """Show the progress and the report; exit code 1 where it failed. With JSON the progress is on stderr."""
    where = errors if as_json else console

    async def run(index_queue: IndexQueue) -> Report:
        with shown_on(where) as shown:
            return await followed(index_queue, alias, job_id, shown)

    try:
        report = with_queue(settings_or_exit(queue), run)
    except KeyboardInterrupt:
        told = f"the reindex goes on; `penstock reindex status {alias} --follow` shows it again"
        errors.print(plain(told), highlight=False, soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        console.print_json(data={"job": job_id, "report": report.to_wire()})
    else:
        for line in report_lines(report):
            console.print(
                plain(line), style="red" if report.failed else None, highlight=False, soft_wrap=True
            )
    if report.failed:
        raise typer.Exit(1)
