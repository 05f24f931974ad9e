"""Jobs of several actions on an index that takes no writes: they leave whole where nothing is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from jobs import Outcome, Report
from tests.sources import Rows
from tests.unit.worker.batching import MakeAction, MakeBatcher, Turns
from worker.actions import Action, ActionKind
from worker.answers import Blocked, Settled, Trouble
from worker.batcher import Batcher
from worker.claims import Claimed
from worker.delivery import Delivery
from worker.entry import Entry
from worker.loading import Reading
from worker.parking import Parkable
from worker.registry import Source

DONE = Settled(Outcome.CREATED)
FULL = Blocked("cluster_block_exception", "disk usage exceeded flood-stage watermark")

MakeJob = Callable[..., Delivery]


@dataclass
class Parked:
    """Who takes blocked entries: the jobs that it was given, and what it was told of those that stay."""

    jobs: list[str] = field(default_factory=list)
    told: list[tuple[str, float]] = field(default_factory=list)

    def __call__(self, entries: Sequence[Entry], target: str, why: Blocked, again_seconds: float) -> None:
        assert why is FULL
        if not entries:
            self.told.append((target, again_seconds))
        for entry in entries:
            cast(Parkable, entry.owner).withdrawn(lambda claimed: self.jobs.append(claimed.name))


@pytest.fixture
def parked() -> Parked:
    """Takes the blocked entries of this test."""
    return Parked()


@pytest.fixture
def ends() -> list[Report]:
    """The reports of the jobs of this test."""
    return []


@pytest.fixture
def make_job(ends: list[Report]) -> MakeJob:
    """A claimed job of these actions."""

    def make(name: str, *actions: Action) -> Delivery:
        keys = " ".join(action.key for action in actions).encode()
        claimed = Claimed(name.encode(), 1.0, b"", keys, 0)
        return Delivery(actions, lambda report, _: ends.append(report), bulk=True, claimed=claimed)

    return make


def put(batcher: Batcher, *jobs: Delivery) -> None:
    for job in jobs:
        batcher.add(job.entries)
    batcher.pump()


async def test_a_bulk_leaves_as_a_whole(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=9, on_blocked=parked)
    put(batcher, make_job("bulk", *(make_action() for _ in range(3))))

    (await cluster.next()).answer(FULL)
    await turns()

    assert (parked.jobs, parked.told, batcher.unsettled) == (["bulk"], [], 0)
    assert cluster.quiet


async def test_a_bulk_of_several_requests_leaves_with_its_last_answer(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    pauses: Any,
    turns: Turns,
) -> None:
    pauses.seconds = 60.0
    batcher = make_batcher(max_actions=2, max_in_flight=1, on_blocked=parked)
    put(batcher, make_job("bulk", *(make_action() for _ in range(5))))

    for _ in range(2):
        (await cluster.next()).answer(FULL)
        await turns()
        assert parked.jobs == []
    (await cluster.next()).answer(FULL)
    await turns()

    assert (parked.jobs, batcher.unsettled) == (["bulk"], 0)
    assert parked.told == [("index:i", 0.0)] * 2, "the rest of it may follow: others may go and see"


async def test_a_bulk_that_was_written_in_part_stays_until_all_is(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    pauses: Any,
    ends: list[Report],
    turns: Turns,
) -> None:
    pauses.seconds = 0.001
    batcher = make_batcher(max_actions=9, on_blocked=parked)
    put(batcher, make_job("bulk", make_action(index="good"), make_action(index="full")))

    (await cluster.next()).answer(DONE, FULL)
    (await cluster.next()).answer(FULL)
    last = await cluster.next()
    assert ends == []
    last.answer(DONE)
    await turns()

    assert (parked.jobs, parked.told) == ([], [("index:full", 0.0), ("index:full", 0.001)])
    (report,) = ends
    assert report.counts == {"created": 2}


async def test_one_whose_other_answer_is_outstanding_stays(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    ends: list[Report],
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=1, on_blocked=parked)
    put(batcher, make_job("bulk", make_action(), make_action()))
    first, second = await cluster.next(), await cluster.next()

    first.answer(FULL)
    (await cluster.next()).answer(FULL)
    second.answer(DONE)
    (await cluster.next()).answer(DONE)
    await turns()

    assert parked.jobs == []
    assert [report.counts for report in ends] == [{"created": 2}]


async def test_jobs_that_share_documents_leave_together_or_stay_together(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    pauses: Any,
    turns: Turns,
) -> None:
    # Given two chains of jobs that each wait for the one before; one of them ends in a good index
    pauses.seconds = 60.0
    batcher = make_batcher(max_actions=9, on_blocked=parked)

    def update(id: str, index: str = "full") -> Action:
        return make_action(ActionKind.UPDATE, index=index, id=id)

    leaving = [
        make_job("1", update("a")),
        make_job("2", update("a"), update("b")),
        make_job("3", update("b"), update("c")),
    ]
    staying = [make_job("4", update("x")), make_job("5", update("x"), update("y", "good"))]
    put(batcher, *leaving, *staying)

    request = await cluster.next()
    assert request.ids == ["a", "b", "c", "x", "y"]
    request.answer(FULL, FULL, FULL, FULL, DONE)
    await turns()

    assert parked.jobs == ["1", "2", "3"]
    assert (batcher.unsettled, parked.told) == (2, [("update:full", 0.0)])


async def test_a_throttled_part_keeps_the_job_for_now(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    turns: Turns,
) -> None:
    batcher = make_batcher(max_actions=9, on_blocked=parked)
    put(batcher, make_job("bulk", make_action(id="a"), make_action(id="b")))

    (await cluster.next()).answer(FULL, Trouble.THROTTLED)
    again = await cluster.next()
    assert parked.jobs == []
    again.answer(FULL)
    await turns()

    assert (parked.jobs, batcher.unsettled) == (["bulk"], 0)


async def test_what_left_is_not_sent_when_its_pause_is_over(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    pauses: Any,
    turns: Turns,
) -> None:
    pauses.seconds = 60.0
    batcher = make_batcher(max_actions=1, max_in_flight=1, on_blocked=parked)
    put(batcher, make_job("bulk", make_action(), make_action()))
    (await cluster.next()).answer(FULL)
    (await cluster.next()).answer(FULL)
    await turns()
    assert parked.jobs == ["bulk"]

    batcher._retries.wake_all()
    batcher.pump()
    await turns()

    assert cluster.quiet


async def test_a_load_of_several_ids_leaves_as_a_whole_and_its_documents_are_let_go_of(
    make_batcher: MakeBatcher,
    cluster: Any,
    make_action: MakeAction,
    make_job: MakeJob,
    parked: Parked,
    turns: Turns,
) -> None:
    rows = Rows()
    rows.rows = {"1": {"n": 1}, "2": {"n": 2}}
    batcher = make_batcher(on_blocked=parked, reading=Reading({"rows": cast(Source, rows)}))
    loads = [make_action(ActionKind.LOAD, id=id, body=None, source="rows") for id in rows.rows]
    job = make_job("load", *loads)
    batcher.add_loads(job.entries)
    batcher.pump()

    (await cluster.next()).answer(FULL)
    await turns()

    assert (parked.jobs, batcher.unsettled) == (["load"], 0)
    assert [entry.action.body for entry in job.entries] == [None, None]
