"""``make bench-memory``: one worker's memory over a long queue while Elasticsearch is away for a minute.

1. Enqueue a million jobs of one document each; nobody works yet.
2. Start a worker, and sample its resident memory from its start on.
3. When it is in full swing, stop Elasticsearch; start it again after the outage.
4. Wait for the last job. Print the peak and how flat it was, and write all samples to a JSON file.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from embedded import ElasticsearchServer, EmbeddedServers
from jobs import IndexDocument, IndexQueue

from .corpus import Pairs, documents, mean_bytes
from .measures.penstock_jobs import WORKER
from .place import NotFit, Place, open_place
from .resident import Sample, flatness, peak, sample
from .results import MEMORY_FILE, machine, write

_JOBS, _OUTAGE_SECONDS = 1_000_000, 60.0
_GOAL_MB = 200
# The outage begins when this part of the jobs is done.
_DONE_BEFORE = 0.05
_TEXTS = 10_000
_JOBS_PER_CALL = 10_000

console = Console(highlight=False)


def main() -> int:
    """The command line; the exit code."""
    options = _options()
    with EmbeddedServers(show_progress=True) as servers:
        try:
            result = asyncio.run(_run(options, servers))
        except NotFit as error:
            console.print(f"error: {error}", style="red", markup=False)
            return 1
    _show(result)
    write(options.output, result)
    console.print(f"written to {options.output}", markup=False)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=_JOBS, help="queued jobs (default 1000000)")
    parser.add_argument("--outage", type=float, default=_OUTAGE_SECONDS, help="seconds (default 60)")
    parser.add_argument("--output", type=Path, default=MEMORY_FILE, help="the JSON file")
    return parser.parse_args()


async def _run(options: argparse.Namespace, servers: EmbeddedServers) -> dict[str, Any]:
    """What is written: what to know of the run, the samples, and what they say."""
    if servers.elasticsearch is None:
        raise NotFit("Elasticsearch has to be stopped and started: unset PENSTOCK_ELASTICSEARCH_URL")
    texts = documents(min(options.jobs, _TEXTS))
    async with (
        open_place(servers.redis_url, servers.elasticsearch_url) as place,
        place.queue() as queue,
        place.index() as index,
    ):
        about = {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "jobs": options.jobs,
            "outage_seconds": options.outage,
            "mean_bytes": round(mean_bytes(texts)),
            "machine": await machine(place),
        }
        await _fill(place, queue, index, texts, options.jobs)
        measured = await _measure(place, queue, servers.elasticsearch, options)
        await place.expect(index, options.jobs)
    return about | measured


async def _fill(place: Place, name: str, index: str, texts: Pairs, jobs: int) -> None:
    console.print(f"enqueueing {jobs:,} jobs ...")
    cycled = itertools.cycle(document for _, document in texts)
    payloads = (
        IndexDocument(index=index, id=str(number), document=document)
        for number, document in zip(range(jobs), cycled, strict=False)
    )
    async with IndexQueue(place.redis_url, queue=name) as queue:
        # In parts: the handles of all would take this process hundreds of megabytes.
        while await queue.enqueue_many(itertools.islice(payloads, _JOBS_PER_CALL)):
            pass


async def _measure(
    place: Place, queue: str, elasticsearch: ElasticsearchServer, options: argparse.Namespace
) -> dict[str, Any]:
    """One worker, one outage; seconds are since the worker's start."""
    # Its warnings of the outage, hundreds of them, are not what this is about.
    async with place.worker(*WORKER, "--queue", queue, PENSTOCK_LOG_LEVEL="ERROR") as worker:
        since = time.monotonic()
        async with _sampled(worker, since) as samples:
            await place.until_left(queue, int(options.jobs * (1 - _DONE_BEFORE)))
            stopped_at = time.monotonic() - since
            console.print(f"after {stopped_at:.0f} s Elasticsearch is stopped for {options.outage:.0f} s ...")
            await asyncio.to_thread(elasticsearch.stop)
            await asyncio.sleep(options.outage)
            await asyncio.to_thread(elasticsearch.start)
            started_at = time.monotonic() - since
            console.print("it is there again; waiting for the last job ...")
            await place.until_left(queue)
            ended_at = time.monotonic() - since
        highest = peak(worker) or max(size for _, size in samples)
    flat = flatness(samples)
    return {
        "peak_mb": highest,
        "settled_highest_mb": flat.highest,
        "settled_median_mb": flat.median,
        "flatness": flat.ratio,
        "stopped_at": stopped_at,
        "started_at": started_at,
        "ended_at": ended_at,
        "samples": [(round(seconds, 2), round(size, 1)) for seconds, size in samples],
    }


@asynccontextmanager
async def _sampled(pid: int, since: float) -> AsyncIterator[list[Sample]]:
    samples: list[Sample] = []
    sampling = asyncio.create_task(sample(pid, since, samples))
    try:
        yield samples
    finally:
        sampling.cancel()


def _show(result: dict[str, Any]) -> None:
    style = "green" if result["peak_mb"] <= _GOAL_MB else "red"
    console.print(
        f"{result['jobs']:,} queued jobs, Elasticsearch away for "
        f"{result['started_at'] - result['stopped_at']:.0f} s, all done after {result['ended_at']:.0f} s"
    )
    console.print(f"peak memory of the worker: {result['peak_mb']:.0f} MB (goal: <= {_GOAL_MB})", style=style)
    console.print(
        f"after its first 10 s: highest {result['settled_highest_mb']:.0f} MB, median "
        f"{result['settled_median_mb']:.0f} MB, {result['flatness']:.2f} times the median"
    )


if __name__ == "__main__":
    sys.exit(main())
