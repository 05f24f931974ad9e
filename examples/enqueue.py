"""What a service does: put jobs on the queue, go on, and read the reports when it wants them.

`PENSTOCK_REDIS_URL=redis://... python -m examples.enqueue`, while `penstock worker` runs beside it.
"""

import asyncio
import os

from jobs import DeleteDocument, IndexDocument, IndexQueue, JobFailed, UpdateDocument

INDEX = "penstock-example-products"


async def main() -> None:
    async with IndexQueue(os.environ.get("PENSTOCK_REDIS_URL", "redis://localhost:6379/0")) as queue:
        # Each call returns once Redis has the job; the worker writes it a moment later.
        indexed = await queue.index(index=INDEX, id="42", document={"name": "Kettle", "price": 20})
        updated = await queue.update(index=INDEX, id="42", doc={"price": 18})
        deleted = await queue.delete(index=INDEX, id="41")

        # Jobs on one document are carried out in the order in which they were enqueued.
        for handle in (indexed, updated, deleted):
            report = await handle.result(timeout=30)
            print(f"{report.id}: {report.outcome}, attempt {report.attempts}")

        # Many actions on one index as one job, with one report.
        bulk = await queue.bulk(
            index=INDEX,
            actions=[
                IndexDocument(index=INDEX, id="43", document={"name": "Teapot", "price": 30}),
                UpdateDocument(index=INDEX, id="42", doc={"stock": 7}),
                DeleteDocument(index=INDEX, id="41"),
            ],
        )
        print("bulk:", dict((await bulk.result(timeout=30)).counts))

        # What Elasticsearch will never accept comes back as an error that carries the report.
        bad = await queue.index(index=INDEX, id="44", document={"name": "Cup", "price": "ask us"})
        try:
            await bad.result(timeout=30)
        except JobFailed as failure:
            print(f"{bad.id} failed: {failure}")


if __name__ == "__main__":
    asyncio.run(main())
