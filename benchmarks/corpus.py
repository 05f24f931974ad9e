"""The documents of the benchmark: Python's own documentation, repeated with new ids.

The design's figures are for documents of about half a kilobyte. Most docstrings are one line, which makes
0.3 KB; so the entries are taken that say more than that, and the few long ones are cut. Nothing is padded:
with Python 3.11 these are 4955 different texts, 0.50 KB on average (median 0.44). They are shuffled, always
in the same way, so that any part of them is like the whole.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import orjson

from examples.stdlib_docs import harvest

T = TypeVar("T")
Pairs = Sequence[tuple[str, dict[str, Any]]]

_LEAST_LINES = 2
_DOC_CHARACTERS = 600
# Elasticsearch takes ids of 512 bytes; qualified names are ASCII nearly always.
_NAME_CHARACTERS = 200


def documents(count: int) -> Pairs:
    """`count` pairs of id and document."""
    entries = [entry for entry in harvest() if entry["lines"] >= _LEAST_LINES]
    random.Random(0).shuffle(entries)
    return repeated(entries, count)


def repeated(entries: Sequence[dict[str, Any]], count: int) -> Pairs:
    """The entries over and over, each cut and under an id of its own."""
    texts = [entry | {"doc": entry["doc"][:_DOC_CHARACTERS]} for entry in entries]
    chosen = itertools.islice(itertools.cycle(texts), count)
    return [(f"{i}-{text['qualified_name'][:_NAME_CHARACTERS]}", text) for i, text in enumerate(chosen)]


def mean_bytes(pairs: Pairs) -> float:
    """Mean size of a document as JSON."""
    return sum(len(orjson.dumps(document)) for _, document in pairs) / len(pairs)


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive slices of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
