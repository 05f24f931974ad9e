"""A registry as a service has one, for workers in processes of their own."""

from collections.abc import AsyncIterator, Iterable, Sequence

from worker.registry import Record, Registry

INDEX = "penstock-test-catalogue"
registry = Registry()


@registry.source("catalogue", index=INDEX)
class Catalogue:
    """Even numbers are there."""

    async def fetch(self, ids: Sequence[str]) -> Iterable[Record]:
        return [Record(id, {"n": int(id)}) for id in ids if int(id) % 2 == 0]

    async def all(self, after: str | None) -> AsyncIterator[Sequence[Record]]:
        yield [Record("2", {"n": 2})]
