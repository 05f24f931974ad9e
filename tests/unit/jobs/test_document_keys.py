"""Which documents a job writes, as the claim script reads them: one key an action, in order."""

from __future__ import annotations

import pytest

from jobs import (
    BulkWrite,
    DeleteDocument,
    IndexDocument,
    LoadDocuments,
    Payload,
    ReindexAlias,
    UpdateDocument,
)
from jobs.envelope import document_key, document_keys

FIRST, SECOND = document_key("products", "1"), document_key("products", "2")
INDEX = IndexDocument(index="products", id="1", document={})
UPDATE = UpdateDocument(index="products", id="2", doc={})
DELETE = DeleteDocument(index="products", id="1", routing="a")


@pytest.mark.parametrize(
    ("payload", "keys"),
    [
        (INDEX, (FIRST,)),
        (UPDATE, (SECOND,)),
        (DELETE, (FIRST,)),
        (BulkWrite(index="products", actions=(INDEX, UPDATE, DELETE)), (FIRST, SECOND, FIRST)),
        (LoadDocuments(source="shop", ids=("1",)), ()),
        (ReindexAlias(alias="products"), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_keys_of_a_payload(payload: Payload, keys: tuple[str, ...]) -> None:
    assert document_keys(payload) == keys
