"""How jobs end: which answers show that an index takes writes again, and which documents they tell."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from jobs import DeleteDocument, Outcome
from jobs.envelope import document_key, encode_job
from jobs.report import refusal
from tests.unit.worker.batching import MakeAction
from worker.actions import VERSIONS_PER_NUMBER, ActionKind
from worker.answers import Settled, rejected
from worker.claims import ABORTED, CRASHER, Claimed
from worker.delivery import LoneDelivery
from worker.endings import Endings
from worker.finisher import Ended, Finisher, How
from worker.parking import Parking
from worker.reports import Result, report_of
from worker.touches import UntoldDocuments

JOB = Claimed(b"job", 5.0, b"raw", b"key", 0)


class Stored:
    """The finisher: what it was given and told to count."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self.counts: Counter[str] = Counter()

    def add(self, ended: Ended) -> None:
        self.ended.append(ended)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] += number


class Opened:
    """The parking while some index takes no writes: which were found to take them again."""

    any_blocked = True

    def __init__(self) -> None:
        self.targets: list[str] = []

    def passed(self, target: str) -> None:
        self.targets.append(target)


@pytest.fixture
def stored() -> Stored:
    """Where the ends go."""
    return Stored()


@pytest.fixture
def opened() -> Opened:
    """Who is told of indices."""
    return Opened()


@pytest.fixture
def endings(stored: Stored, opened: Opened) -> Endings:
    """The ends of one session."""
    return Endings(cast(Finisher, stored), cast(Parking, opened), "arq:queue")


@pytest.mark.parametrize(
    ("settled", "opens"),
    [
        (Settled(Outcome.CREATED), True),
        (Settled(Outcome.UPDATED), True),
        (Settled(Outcome.DELETED), True),
        (Settled(Outcome.UNCHANGED), True),
        (Settled(Outcome.SUPERSEDED), False),  # it may never have travelled
        (rejected("t", "r"), False),
    ],
)
def test_only_an_answer_that_was_executed_opens_an_index(
    endings: Endings, opened: Opened, make_action: MakeAction, settled: Settled, opens: bool
) -> None:
    action = make_action()

    endings.answered([Result(action, settled, 1, "b-1")])

    assert opened.targets == ([action.target] if opens else [])


def test_of_a_bulk_that_was_executed_in_part_those_that_were_open_their_index_once(
    endings: Endings, opened: Opened, make_action: MakeAction
) -> None:
    created, refused = Settled(Outcome.CREATED), rejected("t", "r")
    results = [
        Result(make_action(index="closed"), refused, 1, "b-1"),
        *(Result(make_action(index="open"), created, 1, "b-1") for _ in range(3)),
    ]

    endings.answered(results)

    assert opened.targets == [make_action(index="open").target]


@pytest.mark.parametrize(
    ("settled", "opens", "how"),
    [(Settled(Outcome.CREATED, 1, 0), True, How.SUCCESS), (rejected("t", "r"), False, How.DEAD)],
)
def test_the_same_holds_for_a_job_of_one_plain_action(
    endings: Endings,
    opened: Opened,
    stored: Stored,
    make_action: MakeAction,
    settled: Settled,
    opens: bool,
    how: How,
) -> None:
    def done(*_: Any) -> None:
        raise AssertionError("the test tells the ends itself")

    job = LoneDelivery(make_action(), JOB, 1, 1.0, done)

    endings.settled(job, settled, "b-1")

    assert opened.targets == ([job.action.target] if opens else [])
    assert [(ended.id, ended.how) for ended in stored.ended] == [(JOB.id, how)]
    assert stored.counts[settled.outcome] == 1


def test_a_job_that_was_run_tells_its_documents_however_it_ended(
    endings: Endings, stored: Stored, make_action: MakeAction
) -> None:
    deleted = make_action(ActionKind.DELETE, id="d")
    results = [
        Result(make_action(id="a", routing="r"), rejected("t", "r"), 1, "b-1"),
        Result(deleted, Settled(Outcome.MISSING), 1, "b-1"),
    ]
    done = report_of(results, bulk=True, waited_ms=0, took_ms=0)

    endings.reported(JOB, "bulk", 1, done, results)
    for settled in (Settled(Outcome.SUPERSEDED), rejected("t", "r")):
        job = LoneDelivery(make_action(id="a"), JOB, 1, 1.0, lambda *_: None)
        endings.settled(job, settled, "b-1")

    lone = [("i", "a", None, 0)]
    assert [list(cast(Any, ended.touches)) for ended in stored.ended] == [
        [("i", "a", "r", 0), ("i", "d", None, deleted.version)],
        lone,
        lone,
    ]


@pytest.mark.parametrize("attempt", [1, ABORTED, CRASHER])
def test_one_that_was_not_run_here_is_read_when_somebody_asks(
    endings: Endings, stored: Stored, attempt: int
) -> None:
    payload = DeleteDocument(index="i", id="a", routing="r")
    raw = b"P1 7 %b\n" % document_key("i", "a").encode() + encode_job(payload, enqueued_ms=1)
    claimed = Claimed(b"job", 5.0, raw, document_key("i", "a").encode(), attempt)

    endings.aborted(claimed, "delete", 1)
    endings.reported(claimed, "delete", 1, refusal("crashed_workers", "three times"))
    # A function names no documents.
    endings.aborted(claimed._replace(raw=b"", document_keys=b""), "reindex", 1)

    aborted, refused, function = [ended.touches for ended in stored.ended]
    assert callable(aborted)
    assert callable(refused)
    assert aborted() == refused() == [("i", "a", "r", 7 * VERSIONS_PER_NUMBER)]
    assert function == ()


def test_what_killed_its_workers_is_not_read_where_it_is_large(endings: Endings, stored: Stored) -> None:
    claimed = Claimed(b"job", 5.0, b"P1 7 key\n{" + b" " * 300_000, b"key", CRASHER)

    endings.reported(claimed, "index", 1, refusal("crashed_workers", "three times"))

    (touches,) = [ended.touches for ended in stored.ended]
    assert callable(touches)
    with pytest.raises(UntoldDocuments):
        touches()
