"""``make bench``: every row of the table beside its reference, from one run.

1. Start the embedded servers (or use PENSTOCK_REDIS_URL and PENSTOCK_ELASTICSEARCH_URL).
2. Warm Elasticsearch up with raw requests.
3. Measure row after row, a figure and its reference in turn, several rounds.
4. Print the medians as one table with the caveats, and write all rounds to a JSON file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from embedded import EmbeddedServers

from . import rows
from .corpus import documents, mean_bytes
from .place import Place

Measure = Callable[[], Awaitable[float]]
console = Console(width=110)

CAVEATS = (
    "Both cores are shared by Elasticsearch, Redis, the worker and the producer: each takes from the others, "
    "a fleet on machines of its own does better. Ratios hold across machines, absolute figures do not. "
    "Raw `_bulk` sends bodies that were built before the clock ran and throws the answers away."
)


@dataclass(frozen=True)
class Row:
    """A figure and its reference. `less_is_better`: the ratio is to stay below the goal."""

    figure: str
    reference: str
    unit: str
    goal: float
    measure: Measure
    against: Measure
    less_is_better: bool = False


@dataclass(frozen=True)
class Measured:
    """All rounds of one row."""

    figure: str
    reference: str
    unit: str
    goal: float
    less_is_better: bool
    values: list[float]
    references: list[float]

    @property
    def ratio(self) -> float:
        """Median of the ratios, round by round: what drifts concerns both."""
        return statistics.median(a / b for a, b in zip(self.values, self.references, strict=True))

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio <= self.goal if self.less_is_better else self.ratio >= self.goal


def table_of(place: Place, pairs: rows.Pairs) -> list[Row]:
    """The rows of the table."""
    return [*throughput_rows(place, pairs), *queue_rows(place, pairs)]


def throughput_rows(place: Place, pairs: rows.Pairs) -> list[Row]:
    """Documents through to Elasticsearch; a reference that is slow gets a part of them."""
    few = pairs[: max(1, len(pairs) // 10)]
    return [
        Row(
            "single-document jobs, enqueue to report",
            "raw _bulk",
            "docs/s",
            0.6,
            lambda: rows.single_jobs(place, pairs),
            lambda: rows.raw_bulk(place, pairs),
        ),
        Row(
            "single-document jobs, enqueue to report",
            "stock arq, one es.index a job",
            "docs/s",
            25,
            lambda: rows.single_jobs(place, pairs),
            lambda: rows.stock_index(place, few),
        ),
        Row(
            "bulk jobs of 500 documents",
            "raw _bulk",
            "docs/s",
            0.9,
            lambda: rows.bulk_jobs(place, pairs),
            lambda: rows.raw_bulk(place, pairs),
        ),
    ]


def queue_rows(place: Place, pairs: rows.Pairs) -> list[Row]:
    """What a job costs by itself: in the worker, at the producer, and when it comes alone."""
    few, lone = pairs[: max(1, len(pairs) // 10)], pairs[:200]
    noops = max(1, len(pairs) // 2)
    return [
        Row(
            "no-op jobs",
            "stock arq",
            "jobs/s",
            20,
            lambda: rows.penstock_noop(place, noops),
            lambda: rows.stock_noop(place, len(few)),
        ),
        Row(
            "enqueue_many",
            "gathered enqueue_job",
            "jobs/s",
            15,
            lambda: rows.enqueue_many(place, pairs),
            lambda: rows.enqueue_gathered(place, few),
        ),
        Row(
            "a lone job, enqueue to report",
            "a direct es.index call",
            "ms",
            3,
            lambda: rows.lone_job(place, lone),
            lambda: rows.lone_direct(place, lone),
            less_is_better=True,
        ),
    ]


async def measure(row: Row, rounds: int) -> Measured:
    """The row's figure and its reference in turn, round after round."""
    values, references = [], []
    for number in range(rounds):
        references.append(await row.against())
        values.append(await row.measure())
        console.print(
            f"  {row.figure}, round {number + 1}: {values[-1]:,.1f} {row.unit}, "
            f"{row.reference}: {references[-1]:,.1f}",
            highlight=False,
        )
    return Measured(row.figure, row.reference, row.unit, row.goal, row.less_is_better, values, references)


async def run(options: argparse.Namespace, servers: EmbeddedServers) -> list[Measured]:
    """Warm up, then measure all rows."""
    pairs = documents(options.documents)
    console.print(f"{len(pairs)} documents of {mean_bytes(pairs):.0f} bytes on average", highlight=False)
    async with (
        Redis.from_url(servers.redis_url) as redis,
        AsyncElasticsearch(servers.elasticsearch_url, request_timeout=60) as elasticsearch,
    ):
        place = Place(servers.redis_url, servers.elasticsearch_url, redis, elasticsearch)
        for _ in range(options.warm_ups):
            await rows.raw_bulk(place, pairs)
        wanted = [row for row in table_of(place, pairs) if options.only in row.figure]
        return [await measure(row, options.rounds) for row in wanted]


def print_table(measured: list[Measured]) -> None:
    """The medians, the ratio and the goal of each row."""
    table = Table(
        "figure", "median", "reference", "median", "ratio", "goal", title="Penstock beside its references"
    )
    for row in measured:
        sign = "<=" if row.less_is_better else ">="
        table.add_row(
            f"{row.figure} ({row.unit})",
            f"{statistics.median(row.values):,.1f}",
            row.reference,
            f"{statistics.median(row.references):,.1f}",
            f"[{'green' if row.reached else 'red'}]{row.ratio:.2f}[/]",
            f"{sign} {row.goal:g}",
        )
    console.print(table)
    console.print(CAVEATS, style="dim")


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--documents", type=int, default=20_000, help="documents a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each row")
    parser.add_argument("--warm-ups", type=int, default=3, help="raw rounds before the first row")
    parser.add_argument("--only", default="", help="only the rows whose figure contains this")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/latest.json"))
    options = parser.parse_args()
    with EmbeddedServers(show_progress=True) as servers:
        measured = asyncio.run(run(options, servers))
    print_table(measured)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    results = [asdict(row) | {"ratio": row.ratio} for row in measured]
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
