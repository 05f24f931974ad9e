"""`make demo`: the documentation of Python's standard library, through Penstock, end to end.

1. Start a real Redis and a real Elasticsearch, or take those that the environment names; harvest meanwhile.
2. Start two worker processes.
3. Index every document, one job each, from a producer process; compare the index with what was sent.
4. Update some, delete some.
5. Send one with a bad field and show its report.
6. Compare the index again, document by document.
7. Rebuild the index with other mappings while a producer goes on writing, and compare once more.
8. Search.
9. Stop the workers and show the figures.

Exit code 1, with the reason, where a figure does not add up. Whatever it started has ended by then.
"""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from elasticsearch import ApiError, AsyncElasticsearch, TransportError
from redis.exceptions import RedisError

from embedded import EmbeddedError, EmbeddedServers
from examples.demo import steps
from examples.demo.cleanup import remove_all
from examples.demo.errors import DoesNotAddUp
from examples.demo.figures import Phase, failure_panel, figures_table
from examples.demo.processes import Harvest, Worker
from examples.demo.reports import wait_for_workers
from examples.demo.screen import Screen
from examples.demo.steps import DOCUMENTS, Run
from examples.stdlib_docs import Document
from examples.stdlib_jobs import (
    DELETED_EVERY,
    UPDATED_EVERY,
    expected_after_changes,
    expected_after_indexing,
    expected_after_meanwhile,
)
from jobs import IndexQueue, PenstockError
from jobs.connection import connect
from settings import SettingsError, load
from worker.elastic import client_arguments

STEPS = 9
WORKERS = 2

# What says by itself what went wrong; the traceback of any other error is wanted.
EXPLAINED = (DoesNotAddUp, EmbeddedError, PenstockError, SettingsError, ApiError, TransportError, RedisError)


def main() -> int:
    end_in_order_on_signals()
    screen = Screen(STEPS)
    began = time.monotonic()
    try:
        demonstrate(screen)
    except EXPLAINED as error:
        screen.fail("the demo failed", f"{type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        screen.say("interrupted; everything that was started has ended")
        return 130
    screen.say(f"everything adds up, in {time.monotonic() - began:.0f} s; all that was started has ended")
    return 0


def end_in_order_on_signals() -> None:
    """`kill` and a closed terminal end the demo as Ctrl-C does: through every `with` block."""
    # A shell starts background processes with SIGINT ignored; asyncio handles it only where it is not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As SIGINT, which asyncio turns into a cancellation; an exception raised in the middle of its loop
        # could lose the producer that is just being started.
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def demonstrate(screen: Screen) -> None:
    """Start what has to run, take the steps, end what runs."""
    name = f"stdlib-demo-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="penstock-demo-")))
        harvest = stack.enter_context(Harvest(folder / DOCUMENTS))
        screen.step("start Redis and Elasticsearch (some 20 seconds)")
        servers = stack.enter_context(EmbeddedServers())
        # The processes to come read where the servers are from their environment, as any worker does.
        os.environ["PENSTOCK_REDIS_URL"] = servers.redis_url
        os.environ["PENSTOCK_ELASTICSEARCH_URL"] = servers.elasticsearch_url
        stack.callback(remove_all, name)
        screen.step(f"start {WORKERS} workers")
        logs = [folder / f"worker-{number}.log" for number in range(1, WORKERS + 1)]
        workers = [stack.enter_context(Worker(name, log)) for log in logs]
        harvest.wait()
        asyncio.run(take_steps(screen, workers, folder, name))


async def take_steps(screen: Screen, workers: Sequence[Worker], folder: Path, name: str) -> None:
    """Steps 3 to 9, with the servers and the workers at hand."""
    settings = load()
    elasticsearch = AsyncElasticsearch(**client_arguments(settings))
    async with connect(settings.redis_url.reveal()) as redis, elasticsearch as client:
        run = Run(screen, workers, redis, IndexQueue(redis, queue=name), client, folder, name)
        await wait_for_workers(redis, name, len(workers), run.check_workers)
        screen.say(f"process ids {', '.join(str(worker.pid) for worker in workers)}")
        with (folder / DOCUMENTS).open() as lines:
            documents = [json.loads(line) for line in lines]
        phases = await write(run, documents)
        expected = expected_after_changes(documents)
        screen.step("compare the index with what was sent")
        await steps.compare(run, expected)
        await steps.compare_counts(run, phases)
        screen.step("rebuild the index with other mappings while a producer goes on writing")
        rebuilt, meanwhile = await steps.rebuild(run)
        await steps.compare(run, expected_after_meanwhile(expected, documents, meanwhile.jobs))
        phases.append(meanwhile)
        screen.step("search")
        await steps.search(run)
        screen.step("stop the workers")
        steps.stop_workers(run)
        screen.show(figures_table(phases, rebuilt))


async def write(run: Run, documents: Sequence[Document]) -> list[Phase]:
    """Steps 3 to 5: three producers, one after the other."""
    updates, deletions = len(documents[::UPDATED_EVERY]), len(documents[::DELETED_EVERY])
    run.screen.step(f"index the standard library's documentation: {len(documents):,} documents, one job each")
    indexed = await steps.produce(run, "index", {"created": len(documents)})
    await steps.compare(run, expected_after_indexing(documents))
    run.screen.step(f"update {updates:,} of them in part, delete {deletions:,}")
    changed = await steps.produce(run, "change", {"updated": updates, "deleted": deletions})
    run.screen.step("send one with a text in a field that holds numbers")
    failed = await steps.produce(run, "bad-field", {"rejected": 1})
    run.screen.show(failure_panel(failed))
    return [indexed, changed, failed]


if __name__ == "__main__":
    sys.exit(main())
