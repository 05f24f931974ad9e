"""The commands `penstock services up|down|status`.

Standard output carries only the `export` lines, so that `eval "$(penstock services up --detach)"` works;
everything for people goes to standard error.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .account import server_account
from .answers import elasticsearch_answers, redis_answers
from .distribution import install
from .errors import EmbeddedError
from .hold import hold, hold_in_background
from .places import cache_directory
from .servers import ELASTICSEARCH_URL, REDIS_URL, EmbeddedServers
from .state import Services, State

DOWN_SECONDS = 60.0

app = typer.Typer(
    name="services", help="A real Redis and a real Elasticsearch without Docker.", no_args_is_help=True
)
people = Console(stderr=True)

DataDirectory = Annotated[
    Path | None, typer.Option("--data-dir", help="Keep the data here; otherwise it ends with the servers.")
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="A fixed port; otherwise a free one.")]
Heap = Annotated[int, typer.Option("--heap-mb", min=256, help="Elasticsearch's heap in MiB.")]


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when they answer; end them with `down`.")
    ] = False,
    data_dir: DataDirectory = None,
    redis_port: Port = None,
    elasticsearch_port: Port = None,
    heap_mb: Heap = 1024,
) -> None:
    """Start the servers and print where they answer, as `export` lines."""
    with reported():
        if os.environ.get(REDIS_URL) and os.environ.get(ELASTICSEARCH_URL):
            people.print(f"{REDIS_URL} and {ELASTICSEARCH_URL} are set: they are used, none is started.")
            return
        state = State(cache_directory(os.environ))
        data = None if data_dir is None else data_dir.resolve()
        if detach:
            if not os.environ.get(ELASTICSEARCH_URL):
                install(os.environ, server_account(), show_progress=True)  # here, where the bar is seen
            _export(hold_in_background(_options(data, redis_port, elasticsearch_port, heap_mb), state))
            return
        servers = EmbeddedServers(
            data_directory=data,
            redis_port=redis_port,
            elasticsearch_port=elasticsearch_port,
            heap_mb=heap_mb,
        )
        people.print("starting ... (Ctrl-C ends the servers)")
        hold(servers, state, data, ready=_export)


@app.command()
def down() -> None:
    """End the servers that `up` started."""
    with reported():
        state = State(cache_directory(os.environ))
        services = state.read()
        if services is None:
            people.print("still starting: try again" if state.is_held() else "no services run")
            raise typer.Exit(int(state.is_held()))
        os.kill(services.pid, signal.SIGTERM)
        state.wait_until_free(DOWN_SECONDS)
        people.print("ended")


@app.command()
def status() -> None:
    """Say whether the servers run, where, and whether they answer. Exit code 1 when they do not."""
    with reported():
        state = State(cache_directory(os.environ))
        services = state.read()
        if services is None:
            people.print("starting" if state.is_held() else "no services run")
            raise typer.Exit(1)
        redis_is_well = redis_answers(services.redis_url)
        elasticsearch_is_well = elasticsearch_answers(services.elasticsearch_url)
        table = Table("server", "address", "answers")
        table.add_row("Redis", services.redis_url, _yes(redis_is_well))
        table.add_row("Elasticsearch", services.elasticsearch_url, _yes(elasticsearch_is_well))
        people.print(table)
        people.print(f"held by process {services.pid}; data: {services.data_directory or 'temporary'}")
        _export(services)
        if not (redis_is_well and elasticsearch_is_well):
            raise typer.Exit(1)


@contextmanager
def reported() -> Iterator[None]:
    """Print an EmbeddedError as a message, without a traceback, and exit with 1."""
    try:
        yield
    except EmbeddedError as error:
        people.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _export(services: Services) -> None:
    for name, value in ((REDIS_URL, services.redis_url), (ELASTICSEARCH_URL, services.elasticsearch_url)):
        typer.echo(f"export {name}={shlex.quote(value)}")


def _options(
    data: Path | None, redis_port: int | None, elasticsearch_port: int | None, heap: int
) -> list[str]:
    given = {"--data-dir": data, "--redis-port": redis_port, "--elasticsearch-port": elasticsearch_port}
    pairs = [(name, str(value)) for name, value in given.items() if value is not None]
    return [word for pair in [*pairs, ("--heap-mb", str(heap))] for word in pair]


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


if __name__ == "__main__":
    app()
