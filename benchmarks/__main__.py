"""``make bench``: every figure beside its reference, from one run.

1. Start the embedded servers (or use PENSTOCK_REDIS_URL and PENSTOCK_ELASTICSEARCH_URL).
2. Warm Elasticsearch up until raw requests are steady, then with jobs.
3. Measure row after row, a reference and its figure in turn, several rounds.
4. Print the medians and the processor time, and write all of it to a JSON file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from embedded import EmbeddedServers

from . import tables
from .catalogue import Row, Supply, rows
from .corpus import Pairs, documents, mean_bytes
from .measures.esutil import NoGo, bulk_indexer
from .measures.penstock_jobs import single_jobs
from .measures.raw import raw_bulk
from .place import NotFit, Place, open_place
from .reading import Measured
from .results import FIGURES_FILE, machine, row_as_json, write
from .warm_up import rounds_before, warm_up

_DOCUMENTS, _ROUNDS = 100_000, 5
_QUICK_DOCUMENTS, _QUICK_ROUNDS = 20_000, 3
_WIDTH = 130

console = Console(width=_WIDTH, highlight=False)


def main() -> int:
    """The command line; the exit code."""
    options = _options()
    with EmbeddedServers(show_progress=True) as servers, _go_program() as program:
        try:
            measured, about = asyncio.run(_run(options, servers, program))
        except NotFit as error:
            console.print(f"error: {error}", style="red", markup=False)
            return 1
    _show(measured)
    write(options.output, about | {"rows": [row_as_json(row) for row in measured]})
    console.print(f"written to {options.output}", markup=False)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few minutes: fewer documents, fewer rounds")
    parser.add_argument("--documents", type=_positive, help=f"documents a round (default {_DOCUMENTS:,})")
    parser.add_argument("--rounds", type=_positive, help=f"rounds of each row (default {_ROUNDS})")
    parser.add_argument("--only", default="", metavar="KEY", help="only rows whose key contains this")
    parser.add_argument("--output", type=Path, default=FIGURES_FILE, help="the JSON file")
    options = parser.parse_args()
    options.documents = options.documents or (_QUICK_DOCUMENTS if options.quick else _DOCUMENTS)
    options.rounds = options.rounds or (_QUICK_ROUNDS if options.quick else _ROUNDS)
    return options


def _positive(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return number


@contextmanager
def _go_program() -> Iterator[Path | None]:
    """The Go reference; None, with a note, where it can't be built."""
    with ExitStack() as stack:
        program = None
        try:
            program = stack.enter_context(bulk_indexer())
        except NoGo as reason:
            console.print(f"esutil.BulkIndexer is left out: {reason}", style="yellow", markup=False)
        yield program


async def _run(
    options: argparse.Namespace, servers: EmbeddedServers, program: Path | None
) -> tuple[list[Measured], dict[str, Any]]:
    """Warm up and measure; the rows, and what to know of the run."""
    pairs = documents(options.documents)
    console.print(f"{len(pairs):,} documents of {mean_bytes(pairs):.0f} bytes on average")
    async with open_place(servers.redis_url, servers.elasticsearch_url) as place:
        about = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "documents": len(pairs),
            "mean_bytes": round(mean_bytes(pairs)),
            "rounds": options.rounds,
            "machine": await machine(place),
            "warm_up": await _warm_up(place, pairs),
        }
        wanted = [row for row in rows(Supply(place, pairs, program)) if options.only in row.title.key]
        return [await _measure(row, options.rounds) for row in wanted], about


async def _warm_up(place: Place, pairs: Pairs) -> list[float]:
    """Raw rounds until they are alike, then jobs (a versioned write is another path). The raw rates."""
    console.print("warming up ...")

    async def rate() -> float:
        return (await raw_bulk(place, pairs)).value

    rates = await warm_up(rate, rounds_before(len(pairs)))
    await single_jobs(place, pairs)
    console.print(f"raw _bulk while it warmed up (docs/s): {', '.join(f'{rate:,.0f}' for rate in rates)}")
    return rates


async def _measure(row: Row, rounds: int) -> Measured:
    """The row's reference and its figure in turn, round after round."""
    title, readings, references = row.title, [], []
    for number in range(rounds):
        references.append(await row.against())
        readings.append(await row.measure())
        console.print(
            f"  {title.figure}, round {number + 1}: {readings[-1].value:,.1f} {title.unit}; "
            f"{title.reference}: {references[-1].value:,.1f}",
            markup=False,
        )
    return Measured(title, tuple(readings), tuple(references))


def _show(measured: Sequence[Measured]) -> None:
    for table in (tables.figures(measured), tables.microseconds(measured, os.cpu_count() or 1)):
        console.print(table)
    console.print(tables.CAVEATS, style="dim", markup=False)


if __name__ == "__main__":
    sys.exit(main())
