"""The rows of the table: what is measured, against what, and what the ratio is to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from .corpus import Pairs
from .measures.beside_reindex import lone_before_reindex, lone_beside_reindex
from .measures.esutil import esutil_bulk
from .measures.lone import lone_direct, lone_job
from .measures.no_op import penstock_no_op, stock_no_op
from .measures.penstock_jobs import bulk_jobs, single_jobs
from .measures.raw import REQUEST_DOCUMENTS, raw_bulk
from .measures.reindexing import reindex_copy
from .measures.stock_arq import enqueue_gathered, enqueue_many, stock_index
from .place import Place
from .reading import Reading, Title

Measure = Callable[[], Awaitable[Reading]]

SINGLE = "single-document jobs"
RAW = "raw _bulk"
ESUTIL = "esutil.BulkIndexer (Go)"
_DOCUMENTS = "docs/s"
_LONE_JOBS = 250


@dataclass(frozen=True)
class Row:
    """A figure and its reference."""

    title: Title
    measure: Measure
    against: Measure


@dataclass(frozen=True)
class Supply:
    """What the rows are measured with. `few` for references so slow that all documents would take minutes."""

    place: Place
    pairs: Pairs
    go_program: Path | None

    @property
    def few(self) -> Pairs:
        """A tenth of the documents."""
        return self.pairs[: max(1, len(self.pairs) // 10)]

    def raw(self) -> Awaitable[Reading]:
        """Raw `_bulk` of all documents."""
        return raw_bulk(self.place, self.pairs)

    def single(self) -> Awaitable[Reading]:
        """One job a document, one worker process."""
        return single_jobs(self.place, self.pairs)

    def bulk(self) -> Awaitable[Reading]:
        """Jobs as large as raw `_bulk`'s requests."""
        return bulk_jobs(self.place, self.pairs, REQUEST_DOCUMENTS)

    def reindex(self) -> Awaitable[Reading]:
        """A reindex of an index with all documents."""
        return reindex_copy(self.place, self.pairs)


def rows(supply: Supply) -> list[Row]:
    """All rows, in the order of the table."""
    return [
        *_over_raw_bulk(supply),
        *_over_other_ways(supply),
        *_cost_of_a_job(supply),
        *_by_size(supply),
        *_by_processes(supply),
    ]


def _over_raw_bulk(supply: Supply) -> list[Row]:
    bulk = f"bulk jobs of {REQUEST_DOCUMENTS} documents"
    return [
        Row(Title("single", SINGLE, RAW, _DOCUMENTS, 0.6), supply.single, supply.raw),
        Row(Title("bulk-500", bulk, RAW, _DOCUMENTS, 0.9), supply.bulk, supply.raw),
        Row(Title("reindex", "reindex, its copy", RAW, _DOCUMENTS, 0.6), supply.reindex, supply.raw),
    ]


def _over_other_ways(supply: Supply) -> list[Row]:
    stock = Row(
        Title("single-stock", SINGLE, "stock arq, one es.index a job", _DOCUMENTS, 25),
        supply.single,
        lambda: stock_index(supply.place, supply.few),
    )
    program = supply.go_program
    if program is None:
        return [stock]

    def esutil() -> Awaitable[Reading]:
        return esutil_bulk(supply.place, program, supply.pairs)

    bulk = f"bulk jobs of {REQUEST_DOCUMENTS} documents"
    return [
        stock,
        Row(Title("single-esutil", SINGLE, ESUTIL, _DOCUMENTS), supply.single, esutil),
        Row(Title("bulk-500-esutil", bulk, ESUTIL, _DOCUMENTS), supply.bulk, esutil),
    ]


def _cost_of_a_job(supply: Supply) -> list[Row]:
    place, lone = supply.place, supply.pairs[:_LONE_JOBS]
    no_ops = max(2, len(supply.pairs) // 2)
    return [
        Row(
            Title("no-op", "no-op jobs, enqueued by arq", "stock arq", "jobs/s", 20),
            lambda: penstock_no_op(place, no_ops),
            lambda: stock_no_op(place, max(2, len(supply.few))),
        ),
        Row(
            Title("enqueue", "enqueue_many", "enqueue_job, gathered", "jobs/s", 15),
            lambda: enqueue_many(place, supply.pairs),
            lambda: enqueue_gathered(place, supply.few),
        ),
        Row(
            Title(
                "lone",
                "a lone job, enqueue to report",
                "a direct es.index call",
                "ms",
                3,
                less_is_better=True,
            ),
            lambda: lone_job(place, lone),
            lambda: lone_direct(place, lone),
        ),
        Row(
            Title(
                "live-reindex",
                "a lone job while its index is rebuilt",
                "the same before",
                "ms",
                2,
                less_is_better=True,
            ),
            lambda: lone_beside_reindex(place, supply.pairs),
            lambda: lone_before_reindex(place, supply.pairs, _LONE_JOBS),
        ),
    ]


def _by_size(supply: Supply) -> list[Row]:
    """Jobs of 1 and of 500 documents are among the first rows."""

    def row(size: int) -> Row:
        title = Title(f"bulk-{size}", f"bulk jobs of {size} documents", RAW, _DOCUMENTS)
        return Row(title, lambda: bulk_jobs(supply.place, supply.pairs, size), supply.raw)

    return [row(10), row(100)]


def _by_processes(supply: Supply) -> list[Row]:
    """One process is the first row."""

    def row(processes: int) -> Row:
        title = Title(f"processes-{processes}", f"{SINGLE}, {processes} processes", RAW, _DOCUMENTS)
        return Row(title, lambda: single_jobs(supply.place, supply.pairs, processes), supply.raw)

    return [row(2), row(4)]
