"""A source: the worker reads rows from a database by their ids, so that jobs carry ids and no documents.

    export PENSTOCK_SOURCES=examples.sqlalchemy_source:registry
    penstock worker &
    python -m examples.sqlalchemy_source

EXAMPLE_DATABASE_URL names another database, such as postgresql+asyncpg://user:password@host/name. The table
penstock_example_products is made anew in it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs import IndexQueue, LoadDocuments
from worker.registry import Record, Registry

INDEX = "penstock-example-catalogue"
ROWS_PER_BATCH = 500

# Connects when it is first used, in the worker's own loop.
engine = create_async_engine(
    os.environ.get("EXAMPLE_DATABASE_URL", "sqlite+aiosqlite:///penstock-example.sqlite")
)
registry = Registry()


class Base(DeclarativeBase):
    """What the table belongs to."""


class Product(Base):
    """One row is one document."""

    __tablename__ = "penstock_example_products"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[float]


def record(product: Product) -> Record:
    return Record(product.id, {"name": product.name, "price": product.price})


@registry.source("products", index=INDEX)
class Products:
    """Reads the table."""

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        # One query for all ids. A row that is not there is left out: its document is deleted.
        async with AsyncSession(engine) as session:
            found = await session.scalars(select(Product).where(Product.id.in_(ids)))
            return [record(product) for product in found]

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        # Each batch begins behind the last id, so that it can be taken up anywhere; OFFSET would count rows.
        page = select(Product).order_by(Product.id).limit(ROWS_PER_BATCH)
        while True:
            async with AsyncSession(engine) as session:
                found = await session.scalars(page if after is None else page.where(Product.id > after))
                records = [record(product) for product in found]
            if not records:
                return
            yield records
            after = records[-1].id

    async def close(self) -> None:
        await engine.dispose()


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with IndexQueue(os.environ.get("PENSTOCK_REDIS_URL", "redis://localhost:6379/0")) as queue:
        # First the row, then the job: the worker reads what is committed.
        async with AsyncSession(engine) as session, session.begin():
            session.add_all(Product(id=str(n), name=f"Product {n}", price=n / 2) for n in range(1, 6))
        await load(queue, "five rows", "1", "2", "3", "4", "5")

        async with AsyncSession(engine) as session, session.begin():
            await session.execute(update(Product).where(Product.id == "1").values(price=9.5))
            await session.execute(delete(Product).where(Product.id == "5"))
        await load(queue, "one changed, one gone", "1", "5")
    await engine.dispose()


async def load(queue: IndexQueue, what: str, *ids: str) -> None:
    handle = await queue.enqueue(LoadDocuments(source="products", ids=ids))
    report = await handle.result(timeout=30)
    print(f"{what}: {dict(report.counts)}")


if __name__ == "__main__":
    asyncio.run(main())
