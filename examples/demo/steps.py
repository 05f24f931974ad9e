"""What one step of the demo does; `__main__` has their order. Each step checks what it did.

* produce: a producer process enqueues the jobs of a phase, the workers run them, every report is read.
* compare: the index holds exactly what was sent.
* rebuild: a `reindex` job with other mappings, while a producer goes on writing.
* search, stop the workers.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from examples.demo import checks, figures, index
from examples.demo.checks import Receipt
from examples.demo.errors import DoesNotAddUp
from examples.demo.figures import Phase
from examples.demo.processes import Worker, run_producer
from examples.demo.reports import wait_for_reports
from examples.demo.screen import Screen
from examples.stdlib_docs import Document
from jobs import IndexQueue, Report
from jobs.handle import JobHandle
from jobs.overview import look
from jobs.reindexes import ReindexStatus

DOCUMENTS = "documents.ndjson"
SEARCH = "temporary file that is deleted"
REINDEX_TIMEOUT_SECONDS = 120
POLL_SECONDS = 0.05
# So many jobs are enqueued before the reindex begins, and again on the new index.
JOBS_BEFORE_AND_AFTER = 50
# What the jobs of `meanwhile` do, in turn.
MEANWHILE = ("updated", "updated", "created", "created", "deleted")

# What dynamic mapping can't know: that names are to be found by their parts, that a module is never searched
# for by a word of its name, and that no other field may appear.
MAPPINGS = {
    "dynamic": "strict",
    "properties": {
        "qualified_name": {"type": "text", "analyzer": "simple"},
        "name": {"type": "text", "analyzer": "simple"},
        "module": {"type": "keyword"},
        "kind": {"type": "keyword"},
        "signature": {"type": "text", "analyzer": "simple"},
        "summary": {"type": "text"},
        "doc": {"type": "text"},
        "lines": {"type": "integer"},
        "mentions": {"type": "integer"},
    },
}


@dataclass(frozen=True)
class Run:
    """What the steps of one run share."""

    screen: Screen
    workers: Sequence[Worker]
    redis: Redis
    queue: IndexQueue
    client: AsyncElasticsearch
    folder: Path
    name: str
    """Of the queue and of the index: this run's own, so that nothing of anybody else is touched."""

    def check_workers(self) -> None:
        for worker in self.workers:
            worker.check_alive()


async def produce(run: Run, phase: str, expected: Mapping[str, int]) -> Phase:
    """Run a producer, wait for all its reports, and check their outcomes against `expected`, by number."""
    sent = sum(expected.values())
    with run.screen.progress("jobs acknowledged", sent) as advance:
        made = await run_producer(_arguments(run, phase), advance)
    return await _reported(run, phase, made, expected)


async def _reported(run: Run, phase: str, made: Mapping[str, Any], expected: Mapping[str, int]) -> Phase:
    receipts, sent = _read_receipts(_receipts_file(run, phase)), sum(expected.values())
    checks.check_acknowledged(receipts, made["acknowledged"], sent)
    with run.screen.progress("jobs reported    ", sent) as advance:
        reports = await wait_for_reports(run.queue, receipts, advance, run.check_workers)
    seconds = time.time() - made["began_at"]
    checks.check_reports(receipts, reports)
    checks.check_outcomes(reports.values(), expected)
    return Phase(phase, reports, seconds)


async def compare(run: Run, expected: Mapping[str, Document]) -> None:
    """Every document in the index is what was sent, and there is no other."""
    checks.check_content(await index.read_content(run.client, run.name), expected)
    run.screen.say(f"{len(expected):,} documents in the index, each with the content that was sent")


async def compare_counts(run: Run, phases: Sequence[Phase]) -> None:
    """The queue is empty and its workers ended each job exactly once."""
    jobs = sum(phase.jobs for phase in phases)
    checks.check_queue(await look(run.redis, run.name), jobs)
    run.screen.say(f"{jobs:,} jobs acknowledged, as many reports, each job ended once, none left")


async def rebuild(run: Run) -> tuple[Report, Phase]:
    """A `reindex` job moves the name to a new index with other mappings; a producer writes all the while."""
    before = await index.concrete_name(run.client, run.name)
    writing = Writing()
    producer = asyncio.create_task(run_producer(_arguments(run, "meanwhile"), writing.saw, writing.stop))
    try:
        await writing.goes_on(producer)
        handle = await run.queue.reindex(alias=run.name, mappings=MAPPINGS)
        report = await _followed(run, handle)
        await writing.goes_on(producer)
    finally:
        writing.stop.set()
    made = await producer
    turns = (MEANWHILE[number % len(MEANWHILE)] for number in range(made["acknowledged"]))
    meanwhile = await _reported(run, "meanwhile", made, Counter(turns))
    await _check_rebuilt(run, before, report)
    return report, meanwhile


class Writing:
    """How far a producer is that writes until it is told to stop."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._acknowledged = 0

    def saw(self, acknowledged: int) -> None:
        """So many jobs have been acknowledged."""
        self._acknowledged = acknowledged

    async def goes_on(self, producer: "asyncio.Task[Any]") -> None:
        """Until some jobs more are acknowledged; raises what the producer ended with, if it did."""
        enough = self._acknowledged + JOBS_BEFORE_AND_AFTER
        while self._acknowledged < enough:
            if producer.done():
                raise DoesNotAddUp(f"the producer ended by itself: {producer.exception()}")
            await asyncio.sleep(POLL_SECONDS)


async def _followed(run: Run, handle: JobHandle) -> Report:
    """Show the progress of a reindex until its report is there."""
    ended = asyncio.create_task(handle.result(timeout=REINDEX_TIMEOUT_SECONDS))
    while not (status := await _status(run)) and not ended.done():
        await asyncio.wait({ended}, timeout=POLL_SECONDS)
    with run.screen.progress("documents copied ", status.total if status else 0) as advance:
        while not ended.done():
            run.check_workers()
            await asyncio.wait({ended}, timeout=POLL_SECONDS)
            if status := await _status(run):
                advance(status.done)
    return await ended


async def _status(run: Run) -> ReindexStatus | None:
    """Of the reindex, once it knows how many documents there are."""
    told = (status for status in await run.queue.reindexes() if status.alias == run.name and status.total)
    return next(told, None)


async def _check_rebuilt(run: Run, before: str, report: Report) -> None:
    after = await index.concrete_name(run.client, run.name)
    if after in (before, run.name):
        raise DoesNotAddUp(f"after the reindex job {run.name} still leads to {after}; its report: {report}")
    if (mapped := await index.field_type(run.client, run.name, "module")) != "keyword":
        raise DoesNotAddUp(f"after the reindex job the field module is mapped as {mapped}, expected keyword")
    run.screen.say(f"{run.name} leads to {after} now, where module is mapped as {mapped}")
    told = report.details
    run.screen.say(
        f"{told['documents']:,} documents there, {told['caught_up']:,} caught up with that were written "
        f"meanwhile, jobs held for {told['held_ms']:,.0f} ms"
    )


async def search(run: Run) -> None:
    hits = await index.search(run.client, run.name, SEARCH)
    if not hits:
        raise DoesNotAddUp(f'the search for "{SEARCH}" found nothing')
    run.screen.show(figures.hits_table(SEARCH, hits))


def stop_workers(run: Run) -> None:
    """SIGTERM; each must end with exit code 0."""
    for worker in run.workers:
        worker.stop()


def _arguments(run: Run, phase: str) -> list[str]:
    files = [f"--documents={run.folder / DOCUMENTS}", f"--receipts={_receipts_file(run, phase)}"]
    return [phase, *files, f"--index={run.name}", f"--queue={run.name}"]


def _receipts_file(run: Run, phase: str) -> Path:
    return run.folder / f"{phase}.receipts"


def _read_receipts(file: Path) -> Sequence[Receipt]:
    with file.open() as lines:
        return [Receipt(**json.loads(line)) for line in lines]
