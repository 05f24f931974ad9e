"""What every command shares: settings or a clear refusal, and an event loop with a queue in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError
from redis.exceptions import RedisError
from rich.console import Console

from jobs import IndexQueue, InvalidJob, PenstockError
from settings import Settings, SettingsError, load, unknown_variables

T = TypeVar("T")

console = Console()
errors = Console(stderr=True)

QueueName = Annotated[
    str | None, typer.Option("--queue", help="The queue; PENSTOCK_QUEUE where it is not given.")
]


def settings_or_exit(queue: str | None = None) -> Settings:
    """The settings in force; exit code 2 with one line a problem where they are wrong."""
    for warning in unknown_variables():
        errors.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    try:
        return load(queue=queue)
    except SettingsError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None


def checked(make: Callable[[], T]) -> T:
    """A payload made of what was given; exit code 2 with the field and the value where it is wrong."""
    try:
        return make()
    except ValidationError as error:
        errors.print(str(InvalidJob.from_validation(error)), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from None


def with_queue(settings: Settings, use: Callable[[IndexQueue], Awaitable[T]]) -> T:
    """Run `use` with a connected queue; exit code 1 with one line where Redis or the job is not there."""

    async def run() -> T:
        url, most_bytes = settings.redis_url.reveal(), settings.job_max_bytes
        async with IndexQueue(url, queue=settings.queue, max_job_bytes=most_bytes) as queue:
            return await use(queue)

    try:
        return asyncio.run(run())
    except (RedisError, OSError) as error:
        where = f"Redis at {settings.redis_url} does not answer: {error}"
        errors.print(where, style="red", highlight=False, markup=False)
    except PenstockError as error:
        errors.print(str(error), style="red", highlight=False, markup=False)
    raise typer.Exit(1)
