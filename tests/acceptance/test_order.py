"""Order per document: two workers, few documents, many mixed operations, against a model of them."""

import random
from typing import Any

from elasticsearch import AsyncElasticsearch

from jobs import DeleteDocument, IndexDocument, IndexQueue, Outcome, Payload, UpdateDocument

DOCUMENTS = 200
OPERATIONS = 5000


class Model:
    """What the documents hold when the operations are applied one after the other."""

    def __init__(self, index: str, seed: int) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.rejected: set[int] = set()
        self._index = index
        self._random = random.Random(seed)

    def operation(self, n: int) -> Payload:
        """The n-th operation, applied here and returned to be enqueued."""
        place: dict[str, Any] = {"index": self._index, "id": f"{self._random.randrange(DOCUMENTS)}"}
        kind = self._random.choice(("index", "update", "update", "upsert", "delete", "create"))
        if kind == "delete":
            self.documents.pop(place["id"], None)
            return DeleteDocument(**place)
        if kind in ("index", "create"):
            return self._write(n, place, create=kind == "create")
        return self._update(n, place, upsert=kind == "upsert")

    def _write(self, n: int, place: dict[str, Any], *, create: bool) -> Payload:
        content: dict[str, Any] = {"written": n, "by": f"job {n}"}
        if create and place["id"] in self.documents:
            self.rejected.add(n)
        else:
            self.documents[place["id"]] = content
        return IndexDocument(document=content, create=create, **place)

    def _update(self, n: int, place: dict[str, Any], *, upsert: bool) -> Payload:
        part: dict[str, Any] = {"updated": n, f"field{n % 5}": n}
        if place["id"] in self.documents:
            self.documents[place["id"]] = self.documents[place["id"]] | part
        elif upsert:
            self.documents[place["id"]] = part
        else:
            self.rejected.add(n)
        return UpdateDocument(doc=part, doc_as_upsert=upsert, **place)


async def test_the_final_state_is_that_of_the_operations_in_their_order(
    start: Any,
    queue: IndexQueue,
    elasticsearch: AsyncElasticsearch,
    prefix: str,
    reports: Any,
    documents: Any,
    nothing_claimed: Any,
) -> None:
    await elasticsearch.indices.create(index=prefix)
    workers = [start(), start()]
    for worker in workers:
        await worker.says("works on arq:queue")
    model = Model(prefix, seed=20261121)

    handles = await queue.enqueue_many(model.operation(n) for n in range(OPERATIONS))
    found = await reports(handles)

    refused = {n for n, report in enumerate(found) if report.outcome is Outcome.REJECTED}
    assert refused == model.rejected
    assert await documents(prefix) == model.documents
    batches = {report.batch.rsplit("-", 1)[0] for report in found if report.batch}
    assert len(batches) == 2, "both workers took part"
    for worker in workers:
        assert await worker.stop() == 0
    await nothing_claimed()
