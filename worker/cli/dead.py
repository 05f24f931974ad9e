"""``penstock dead list|show|retry|purge``: work with dead letters.

Reasons and payloads are shown here as they are; the log never has them.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from jobs import DeadKind, DeadLetters, IndexQueue, Retries
from jobs.dead_letter import Which

from .common import QueueName, console, errors, settings_or_exit, with_queue
from .dead_tables import contents_table, letters_table, plain, wire_of
from .durations import duration

T = TypeVar("T")

app = typer.Typer(
    help="Work with dead letters: jobs that ended as failed for good, kept with their payloads.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of the job that died.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of dead letters; none: all that match.")
]
Index = Annotated[str | None, typer.Option(help="Only those on this index, as the report names it.")]
Type = Annotated[str | None, typer.Option(help="Only those with a rejection of this type.")]
Kind = Annotated[DeadKind | None, typer.Option(help="Only those of this kind.")]
OlderThan = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="AGE", help="Only those dead for so long: 30m, 12h, 7d."),
]
Limit = Annotated[int, typer.Option(min=1, help="How many to show, at most.")]
Before = Annotated[
    float | None,
    typer.Option(metavar="MS", help="Only what died before; the end of a list tells how to go on."),
]
Raw = Annotated[bool, typer.Option("--raw", help="Write what was stored, to the byte, and nothing else.")]
KeepNumber = Annotated[
    bool, typer.Option("--keep-number", help="Keep the old place in the order, if the document still exists.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_letters(
    limit: Limit = 20,
    before: Before = None,
    index: Index = None,
    type: Type = None,
    kind: Kind = None,
    older_than: OlderThan = None,
    queue: QueueName = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first, without their payloads."""
    which = Which(index=index, type=type, kind=kind, older_than=older_than)
    letters = _with_letters(queue, lambda dead: dead.list(limit + 1, before, **which))
    shown = letters[:limit]
    if as_json:
        console.print_json(data=[letter.to_wire() for letter in shown])
    elif not shown:
        console.print("no dead letters")
    else:
        console.print(letters_table(shown))
        if len(letters) > limit:
            console.print(f"there are more: --before {shown[-1].died_ms:.3f}", highlight=False)


@app.command()
def show(id: Id, queue: QueueName = None, as_json: AsJson = False, raw: Raw = False) -> None:
    """Show one dead letter with its report and its payload. Exit code 1 where there is none."""
    contents = _with_letters(queue, lambda dead: dead.show(id))
    if raw:
        sys.stdout.buffer.write(contents.raw)
        sys.stdout.buffer.flush()
    elif as_json:
        console.print_json(data=wire_of(contents))
    else:
        console.print(contents_table(contents))


@app.command()
def retry(
    ids: Ids = None,
    index: Index = None,
    type: Type = None,
    kind: Kind = None,
    older_than: OlderThan = None,
    keep_number: KeepNumber = False,
    yes: Yes = False,
    queue: QueueName = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue dead letters anew, as the newest writes of their documents; of a bulk the rejected actions.

    Without ids all that match, after a question. Exit code 1 where one could not be retried.
    """
    which = Which(index=index, type=type, kind=kind, older_than=older_than)
    _check_choice(ids, which)
    if ids:
        retries = _with_letters(queue, lambda dead: dead.retry(ids, keep_number=keep_number))
    else:
        _ask("Retry", queue, which, yes=yes)
        retries = _with_letters(
            queue, lambda dead: dead.retry_all(keep_number=keep_number, progress=_tell_progress, **which)
        )
    _tell(retries, as_json=as_json)
    if retries.refused:
        raise typer.Exit(1)


@app.command()
def purge(
    ids: Ids = None,
    index: Index = None,
    type: Type = None,
    kind: Kind = None,
    older_than: OlderThan = None,
    yes: Yes = False,
    queue: QueueName = None,
    as_json: AsJson = False,
) -> None:
    """Remove dead letters for good.

    Without ids all that match, after a question. Exit code 1 where an id has no dead letter.
    """
    which = Which(index=index, type=type, kind=kind, older_than=older_than)
    _check_choice(ids, which)
    if ids:
        purged = _with_letters(queue, lambda dead: dead.purge(ids))
    else:
        _ask("Purge", queue, which, yes=yes)
        chosen = which if any(which.values()) else Which(older_than=timedelta(0))
        purged = _with_letters(queue, lambda dead: dead.purge(progress=_tell_progress, **chosen))
    if as_json:
        console.print_json(data={"purged": purged})
    else:
        console.print(f"{purged} purged", highlight=False)
    if missing := len(set(ids or ())) - purged if ids else 0:
        errors.print(f"{missing} of the ids had no dead letter", style="red", highlight=False)
        raise typer.Exit(1)


def _with_letters(queue: str | None, use: Callable[[DeadLetters], Awaitable[T]]) -> T:
    async def run(index_queue: IndexQueue) -> T:
        return await use(index_queue.dead_letters)

    return with_queue(settings_or_exit(queue), run)


def _check_choice(ids: list[str] | None, which: Which) -> None:
    """Exit code 2 where both ids and a choice are given."""
    given = [f"--{name.replace('_', '-')}" for name, value in which.items() if value is not None]
    if ids and given:
        raise typer.BadParameter(f"give either ids or {', '.join(given)}")


def _ask(verb: str, queue: str | None, which: Which, *, yes: bool) -> None:
    """Exit code 1 unless the person says yes; there is nothing to ask where nothing matches."""
    if yes:
        return
    number = _with_letters(queue, lambda dead: dead.count(**which))
    if number:
        typer.confirm(f"{verb} {number} dead letters?", abort=True, err=True)


def _tell_progress(number: int) -> None:
    """How far it is; for a person who waits, not for a script's log."""
    if errors.is_terminal:
        errors.print(f"{number} …", highlight=False, end="\r")


def _tell(retries: Retries, *, as_json: bool) -> None:
    if as_json:
        refused = {id: str(error) for id, error in retries.refused.items()}
        console.print_json(
            data={"jobs": {id: job.id for id, job in retries.jobs.items()}, "refused": refused}
        )
        return
    for id, job in retries.jobs.items():
        console.print(f"{plain(id)} -> {plain(job.id)}", highlight=False, soft_wrap=True)
    for id, error in retries.refused.items():
        errors.print(f"{plain(id)}: {plain(str(error))}", style="red", highlight=False, soft_wrap=True)
    console.print(f"{len(retries.jobs)} retried, {len(retries.refused)} not", highlight=False)
