"""A request that may arrive twice: the idempotency key makes one job of it.

`PENSTOCK_REDIS_URL=redis://... python -m examples.idempotent`, while `penstock worker` runs beside it.
"""

import asyncio
import os
import uuid

from jobs import Duplicate, IndexQueue

INDEX = "penstock-example-orders"


async def main() -> None:
    # In a service: the id of the message or of the HTTP request that asks for the write.
    key = f"order-7-paid-{uuid.uuid4()}"
    async with IndexQueue(os.environ.get("PENSTOCK_REDIS_URL", "redis://localhost:6379/0")) as queue:
        for delivery in ("first", "second"):
            handle = await queue.index(index=INDEX, id="7", document={"paid": True}, idempotency_key=key)
            answer = "a duplicate of" if isinstance(handle, Duplicate) else "enqueued as"
            print(f"{delivery} delivery: {answer} {handle.id}")
        # Either answer leads to the report of the one job.
        report = await handle.result(timeout=30)
        print(f"order {report.id}: {report.outcome}, version {report.version}")


if __name__ == "__main__":
    asyncio.run(main())
