"""Compares the ledger with what is found when all is healed. Pure.

1. Jobs: each acknowledged one has a report, and there are no more reports and no more ended jobs than
   submits.
2. Documents: the operations are applied in order to every state that the document may be in. A submit of
   unknown fate leaves two such states. Each report has to fit at least one, and rules the others out.
3. In the end the document must be one of the states left.
4. Redis must hold nothing that belongs to an unfinished job or to a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from jobs import Outcome, Report
from tests.faults.ledger import Ledger, State, Step
from tests.faults.operations import Content, Kind

# Enough for a dozen submits of unknown fate on one document; more says that the scenario is too wild.
_MOST_STATES = 5000


class Problem(StrEnum):
    """What can have gone wrong: a closed set."""

    LOST = "lost"
    UNEXPECTED = "unexpected"
    OUT_OF_ORDER = "out of order"
    WRONG_REPORT = "wrong report"
    LEAKED = "leaked claim"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be."""

    problem: Problem
    text: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.text}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is found in the end. `leftovers` are keys of Redis that no finished job and no worker owns."""

    reports: Mapping[str, Report]
    documents: Mapping[str, Mapping[str, Any]]
    ended: int
    leftovers: Sequence[str] = field(default=())


def check(ledger: Ledger, facts: Facts, *, repeats: bool = True) -> list[Finding]:
    """Everything that is wrong; `repeats`: jobs may have run twice, and reports may say so."""
    findings = [*_jobs(ledger, facts), *_leaks(facts)]
    steps = ledger.by_document()
    for document in sorted(steps.keys() | facts.documents.keys()):
        findings += _document(document, steps.get(document, []), facts, repeats=repeats)
    return findings


def _jobs(ledger: Ledger, facts: Facts) -> Iterator[Finding]:
    known = dict(ledger.jobs())
    for job_id, submit in known.items():
        if job_id not in facts.reports:
            yield Finding(Problem.LOST, f"job {job_id} has no report: {submit.operations}")
    if len(known) != ledger.count(State.OK):
        yield Finding(Problem.UNEXPECTED, "two submits were acknowledged with the same job id")
    strangers = facts.reports.keys() - known.keys()
    if len(strangers) > ledger.count(State.UNKNOWN):
        yield Finding(Problem.UNEXPECTED, f"reports of jobs that nobody submitted: {sorted(strangers)[:5]}")
    if facts.ended != len(facts.reports):
        text = f"{facts.ended} ends were counted for {len(facts.reports)} reports"
        yield Finding(Problem.WRONG_REPORT, text)


def _leaks(facts: Facts) -> Iterator[Finding]:
    for key in facts.leftovers:
        yield Finding(Problem.LEAKED, key)


def _document(document: str, steps: Sequence[Step], facts: Facts, *, repeats: bool) -> Iterator[Finding]:
    states: list[Content] = [None]
    for number, step in enumerate(steps):
        overtaken = number + 1 < len(steps)
        states, finding = _applied(step, states, facts, overtaken=overtaken, repeats=repeats)
        if finding:
            yield finding
    found = facts.documents.get(document)
    if found not in states:
        yield _wrong_content(document, found, states[0], steps)
    yield from _versions(document, steps, facts)


def _applied(
    step: Step, states: Sequence[Content], facts: Facts, *, overtaken: bool, repeats: bool
) -> tuple[list[Content], Finding | None]:
    """The states after a step, and what is wrong with its report, if it has one."""
    after = [step.operation.applied_to(state) for state in states]
    if step.submit.state is State.UNKNOWN:
        return _distinct([*states, *(state for state, _ in after)]), None
    report = facts.reports.get(step.submit.job_id or "")
    everything = _distinct([state for state, _ in after])
    if report is None:
        return everything, None
    told = _told(step, report)
    fits = [
        state
        for state, outcome in after
        if _agrees(told, _may_say(step.operation.kind, outcome, overtaken, repeats))
    ]
    if fits:
        return _distinct(fits), None
    meant = sorted({outcome for _, outcome in after})
    text = f"job {step.submit.job_id}, {step.operation}: told {told}, meant {meant}; {report}"
    return everything, Finding(Problem.WRONG_REPORT, text)


def _told(step: Step, report: Report) -> Outcome | None:
    """What the report says of this step; a report that is none of its own counts as a rejection.

    A bulk's names its rejected actions, and only counts the others: None.
    """
    operation = step.operation
    if len(step.submit.operations) == 1:
        same = report.outcome is Outcome.REJECTED or report.id == operation.document
        return report.outcome if same and report.outcome else Outcome.REJECTED
    if sum(report.counts.values()) != len(step.submit.operations):
        return Outcome.REJECTED
    rejected = {rejection.position for rejection in report.rejected}
    return Outcome.REJECTED if step.position in rejected else None


def _agrees(told: Outcome | None, may_say: set[Outcome]) -> bool:
    """Of an action in a bulk that was not rejected, only that is known."""
    return bool(may_say - {Outcome.REJECTED}) if told is None else told in may_say


def _may_say(kind: Kind, meant: Outcome, overtaken: bool, repeats: bool) -> set[Outcome]:
    """The outcomes that are true of an operation that was meant to have the outcome `meant`.

    A later write on the document may have overtaken it in the buffer, or have been there when it ran a
    second time: then it is superseded. A job that runs again finds its own work done.
    """
    said = {meant}
    if kind is Kind.INDEX and overtaken:
        said |= {Outcome.SUPERSEDED}
    if kind is Kind.INDEX:  # the one before it may have been superseded in the buffer
        said |= {Outcome.CREATED, Outcome.UPDATED}
    if not repeats:
        return said
    if overtaken:
        said |= {Outcome.SUPERSEDED}
    match meant:
        case Outcome.UPDATED | Outcome.CREATED if kind in (Kind.UPDATE, Kind.UPSERT):
            said |= {Outcome.UPDATED, Outcome.UNCHANGED}
        case Outcome.DELETED:
            said |= {Outcome.MISSING}
        case _:
            pass
    return said


def _wrong_content(document: str, found: Any, meant: Content, steps: Sequence[Step]) -> Finding:
    """Name the kind of damage by the numbers that are missing and those that should not be there."""
    numbers = {step.operation.number for step in steps}
    has, wants = _numbers(found), _numbers(meant)
    if has - numbers or (found is not None and not steps):
        problem = Problem.UNEXPECTED
    elif has - wants:
        problem = Problem.OUT_OF_ORDER
    else:
        problem = Problem.LOST
    history = [(step.operation.number, step.operation.kind.value, step.submit.state.value) for step in steps]
    return Finding(problem, f"{document} holds {found}, expected {meant}; its operations: {history}")


def _numbers(content: Any) -> set[int]:
    return {value for value in (content or {}).values() if isinstance(value, int)}


def _versions(document: str, steps: Sequence[Step], facts: Facts) -> Iterator[Finding]:
    """The versions that were reported of a document never fall in the order of its jobs."""
    told = [(step, _version(step, facts)) for step in steps]
    versions = [(step, version) for step, version in told if version is not None]
    for (_, before), (step, after) in pairwise(versions):
        if after < before:
            text = f"{document}: {step.operation} was reported with version {after} after {before}"
            yield Finding(Problem.OUT_OF_ORDER, text)


def _version(step: Step, facts: Facts) -> int | None:
    report = facts.reports.get(step.submit.job_id or "")
    silent = (None, Outcome.SUPERSEDED, Outcome.REJECTED)
    return None if report is None or report.outcome in silent else report.version


def _distinct(states: Sequence[Content]) -> list[Content]:
    """Without repeats. Fails where there are too many to follow."""
    seen: dict[str, Content] = {repr(sorted(state.items()) if state else state): state for state in states}
    assert len(seen) <= _MOST_STATES, f"more than {_MOST_STATES} states of one document are possible"
    return list(seen.values())
