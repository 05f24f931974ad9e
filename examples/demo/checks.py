"""Whether the figures add up: jobs against reports, the index against what was sent. Pure.

Each check raises DoesNotAddUp with the two figures and the first ids that differ.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from examples.demo.errors import DoesNotAddUp
from examples.stdlib_docs import Document
from jobs import Report
from jobs.overview import Overview

SHOWN_IDS = 5


class Receipt(NamedTuple):
    """What a producer keeps of one acknowledged job."""

    job: str
    id: str


def check_acknowledged(receipts: Sequence[Receipt], acknowledged: int, sent: int) -> None:
    """Every job that was sent was acknowledged, under an id of its own."""
    distinct = len({receipt.job for receipt in receipts})
    if not (sent == acknowledged == len(receipts) == distinct):
        raise DoesNotAddUp(
            f"{sent} jobs were sent, {acknowledged} acknowledged, with {len(receipts)} receipts "
            f"and {distinct} different job ids"
        )


def check_reports(receipts: Sequence[Receipt], reports: Mapping[str, Report]) -> None:
    """Every job has its report, and it speaks of the job's own document."""
    missing = [receipt.job for receipt in receipts if receipt.job not in reports]
    if missing:
        raise DoesNotAddUp(f"{len(missing)} of {len(receipts)} jobs have no report: {_some(missing)}")
    strange = [receipt.job for receipt in receipts if reports[receipt.job].id != receipt.id]
    if strange:
        raise DoesNotAddUp(f"{len(strange)} reports speak of another document: {_some(strange)}")


def check_outcomes(reports: Collection[Report], expected: Mapping[str, int]) -> None:
    """The outcomes of these reports, counted, are exactly `expected`."""
    counted = count_outcomes(reports)
    if counted != Counter(expected):
        raise DoesNotAddUp(f"expected the outcomes {dict(expected)}, got {dict(counted)}")


def check_queue(overview: Overview, jobs: int) -> None:
    """Nothing waits, no worker holds a job, and the workers together ended each job once."""
    held = sum(worker.claimed for worker in overview.workers)
    waiting, ended = overview.waiting + overview.deferred, overview.counters.get("jobs", 0)
    if (waiting, held, ended) != (0, 0, jobs):
        raise DoesNotAddUp(
            f"of {jobs} jobs, all reported, {waiting} still wait and {held} are held; "
            f"{ended} were counted as ended"
        )


def check_content(stored: Mapping[str, Document], expected: Mapping[str, Document]) -> None:
    """The index holds each document exactly as sent and changed, and nothing else."""
    if stored == expected:
        return
    lost = sorted(expected.keys() - stored.keys())
    extra = sorted(stored.keys() - expected.keys())
    changed = sorted(id for id in stored.keys() & expected.keys() if stored[id] != expected[id])
    raise DoesNotAddUp(
        f"the index holds {len(stored)} documents, expected {len(expected)}: {len(lost)} lost {_some(lost)}, "
        f"{len(extra)} too many {_some(extra)}, {len(changed)} with another content {_some(changed)}"
    )


def count_outcomes(reports: Collection[Report]) -> Counter[str]:
    return Counter(str(report.outcome) for report in reports)


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:SHOWN_IDS])
    return f"({shown}, ...)" if len(ids) > SHOWN_IDS else f"({shown})"
