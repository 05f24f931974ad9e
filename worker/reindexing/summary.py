"""The report of a reindex, out of what was saved of it. Pure."""

from __future__ import annotations

from jobs.errors import JobFailed
from jobs.reindexes import ReindexPhase
from jobs.report import Report

from .state import Kept, State, seconds_by_phase


def report_of(alias: str, state: State, now_ms: int, kept: Kept | None) -> Report:
    """What a reindex that has moved its alias tells."""
    seconds = seconds_by_phase(state, now_ms)
    copying = seconds.get(ReindexPhase.COPY, 0.0)
    details = {
        "old_index": state.old,
        "new_index": state.new,
        "documents": state.documents,
        "dropped": state.dropped,
        "caught_up": state.caught_up,
        "holds": state.holds,
        "held_ms": state.held_ms,
        "seconds": seconds,
        "docs_per_second": round(state.read / copying, 1) if copying else None,
        "old_index_kept": kept is not None,
    }
    if state.untold:
        details["untold_jobs"] = list(state.untold)
    return Report(index=alias, attempts=1, took_ms=float(now_ms - state.started_ms), details=details)


def result_of(state: State) -> Report:
    """The report that was stored at the end. Raises JobFailed where it is one of a failure."""
    assert state.report is not None, state.phase
    if state.report.failed:
        raise JobFailed(state.report)
    return state.report
