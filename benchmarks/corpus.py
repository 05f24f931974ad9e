"""The documents of the benchmark: Python's own documentation, repeated with new ids."""

from __future__ import annotations

import itertools
from typing import Any

import orjson

from examples.stdlib_docs import harvest

# The design's figures are for documents of about half a kilobyte; longer docstrings are cut.
_DOC_CHARACTERS = 300


def documents(count: int) -> list[tuple[str, dict[str, Any]]]:
    """`count` pairs of id and document."""
    texts = [document | {"doc": document["doc"][:_DOC_CHARACTERS]} for document in harvest()]
    repeated = itertools.islice(itertools.cycle(texts), count)
    return [(f"{i}-{text['qualified_name'][:200]}", text) for i, text in enumerate(repeated)]


def mean_bytes(pairs: list[tuple[str, dict[str, Any]]]) -> float:
    """Mean size of a document as JSON."""
    return sum(len(orjson.dumps(document)) for _, document in pairs) / len(pairs)
