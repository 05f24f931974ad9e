"""The same jobs without Penstock's client: a service that has arq already needs only the JSON serializer.

`PENSTOCK_REDIS_URL=redis://... python -m examples.plain_arq`, while `penstock worker` runs beside it.
"""

import asyncio
import os

from arq import create_pool
from arq.connections import RedisSettings
from arq.jobs import Job

from jobs.envelope import deserialize, serialize

INDEX = "penstock-example-products"


async def main() -> None:
    redis_settings = RedisSettings.from_dsn(os.environ.get("PENSTOCK_REDIS_URL", "redis://localhost:6379/0"))
    # Without these two arq pickles its jobs, and the worker refuses to unpickle them.
    pool = await create_pool(redis_settings, job_serializer=serialize, job_deserializer=deserialize)
    try:
        # The arguments go as keywords, under the names of the payload models.
        job = await pool.enqueue_job("index", index=INDEX, id="50", document={"name": "Tray", "price": 12})
        assert job is not None, "None only comes back for a job id that is known already; arq chose this one"
        print("result:", await job.result(timeout=30))

        # Another process knows nothing but the id.
        same = Job(job.job_id, pool, _deserializer=deserialize)
        print("status:", (await same.status()).value)

        bad = await pool.enqueue_job("index", index=INDEX, id="51", document={"price": "ask us"})
        assert bad is not None
        try:
            await bad.result(timeout=30)
        except Exception as error:
            print("failed:", error)
    finally:
        await pool.aclose()


if __name__ == "__main__":
    asyncio.run(main())
