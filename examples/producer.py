"""A producer in a process of its own: enqueues the jobs of the harvest and says what was acknowledged.

1. Read the documents, one JSON object a line, as `python -m examples.stdlib_docs` writes them.
2. Enqueue one job for each of them, many in a round trip. `meanwhile` has jobs without end: it enqueues a few
   at a time until standard input ends.
3. While that goes on, print a line of JSON with the number of jobs acknowledged so far.
4. Write a receipt for each job (its id and its document's id), and print the final figures.

It knows Redis and the contract (`jobs`), as any other service would; neither worker nor Elasticsearch.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from examples.stdlib_docs import Document
from examples.stdlib_jobs import bad_field_job, change_jobs, index_jobs, meanwhile_jobs
from jobs import DeleteDocument, IndexDocument, IndexQueue, UpdateDocument
from jobs.handle import JobHandle

Payload = IndexDocument | UpdateDocument | DeleteDocument


A_FEW = 10
PAUSE_SECONDS = 0.05


async def produce(payloads: Iterable[Payload], queue_name: str, receipts: Path, *, endless: bool) -> None:
    redis_url = os.environ.get("PENSTOCK_REDIS_URL", "redis://localhost:6379/0")
    async with IndexQueue(redis_url, queue=queue_name) as queue:
        began_at = time.time()
        if endless:
            sent, handles = await _until_told(queue, iter(payloads))
        else:
            sent = list(payloads)
            handles = await queue.enqueue_many(sent, progress=_say_acknowledged)
    with receipts.open("w") as file:
        for handle, payload in zip(handles, sent, strict=True):
            print(json.dumps({"job": handle.id, "id": payload.id}), file=file)
    figures = {"acknowledged": len(handles), "began_at": began_at}
    print(json.dumps(figures), flush=True)


async def _until_told(
    queue: IndexQueue, payloads: Iterator[Payload]
) -> tuple[list[Payload], list[JobHandle]]:
    """A few at a time until standard input ends; what was sent, and the handles."""
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    sent: list[Payload] = []
    handles: list[JobHandle] = []
    while not told.done():
        few = list(itertools.islice(payloads, A_FEW))
        handles += await queue.enqueue_many(few)
        sent += few
        _say_acknowledged(len(handles))
        await asyncio.wait({told}, timeout=PAUSE_SECONDS)
    return sent, handles


def _say_acknowledged(count: int) -> None:
    print(json.dumps({"acknowledged": count}), flush=True)


def payloads_of(phase: str, documents: list[Document], index: str) -> Iterable[Payload]:
    match phase:
        case "index":
            return index_jobs(documents, index)
        case "change":
            return change_jobs(documents, index)
        case "meanwhile":
            return meanwhile_jobs(documents, index)
        case _:
            return [bad_field_job(index)]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m examples.producer", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("phase", choices=["index", "change", "bad-field", "meanwhile"])
    parser.add_argument("--documents", type=Path, required=True, help="NDJSON file of the harvest")
    parser.add_argument("--receipts", type=Path, required=True, help="NDJSON file to write, a line a job")
    parser.add_argument("--index", required=True, help="index or alias to write to")
    parser.add_argument("--queue", default="arq:queue", help="queue that the workers take from")
    options = parser.parse_args()
    with options.documents.open() as lines:
        documents = [json.loads(line) for line in lines]
    payloads = payloads_of(options.phase, documents, options.index)
    endless = options.phase == "meanwhile"
    asyncio.run(produce(payloads, options.queue, options.receipts, endless=endless))


if __name__ == "__main__":
    main()
