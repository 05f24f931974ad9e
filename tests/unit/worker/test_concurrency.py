"""Where the number of requests in flight settles, on simulated clusters of different kinds."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.concurrency import Concurrency

ACTIONS = 2000
MOST = 12


@dataclass
class SimulatedCluster:
    """Works on up to `slots` requests side by side; those beyond share them, and all become slower.

    A request costs `fixed` seconds and `each` second an action, give or take `noise`. More than
    `refuses_above` at a time are throttled. Requests are full, and as many are in flight as the limit
    allows: there is a backlog.
    """

    slots: int
    fixed: float = 0.01
    each: float = 0.0001
    noise: float = 0.1
    refuses_above: int = 10**6
    full: bool = True
    now: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    limits: list[tuple[float, int]] = field(default_factory=list)
    _under_way: list[tuple[float, float, bool]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def run(self, concurrency: Concurrency, seconds: float) -> None:
        """Keep as many requests in flight as the limit allows, for some simulated seconds."""
        end = self.now + seconds
        while self.now < end:
            while len(self._under_way) < concurrency.limit:
                self._send()
            self.now, sent, throttled = heapq.heappop(self._under_way)
            concurrency.answered(ACTIONS, self.now - sent, full=self.full, trouble=throttled)
            self.limits.append((self.now, concurrency.limit))

    def usual_limit(self, since: float) -> int:
        """The limit that was in force for the longest time."""
        spent: Counter[int] = Counter()
        for (start, limit), (end, _) in itertools.pairwise(self.limits):
            if start >= since:
                spent[limit] += round((end - start) * 1e6)
        return spent.most_common(1)[0][0]

    def share_at(self, limits: set[int], since: float) -> float:
        """The share of answers, since then, at one of these limits."""
        late = [limit for at, limit in self.limits if at >= since]
        return sum(limit in limits for limit in late) / len(late)

    def _send(self) -> None:
        together = len(self._under_way) + 1
        if together > self.refuses_above:
            heapq.heappush(self._under_way, (self.now + 0.005, self.now, True))
            return
        cost = (self.fixed + self.each * ACTIONS) * max(1.0, together / self.slots)
        cost *= 1 + self.noise * (2 * self.chance.random() - 1)
        heapq.heappush(self._under_way, (self.now + cost, self.now, False))


MakeConcurrency = Callable[[SimulatedCluster], Concurrency]


@pytest.fixture
def concurrency_on() -> MakeConcurrency:
    """A fresh limiter on the clock of a simulated cluster."""
    return lambda cluster: Concurrency(MOST, cluster.clock)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_given_a_cluster_that_works_on_one_at_a_time_then_one_is_in_flight(
    concurrency_on: MakeConcurrency, noise: float, seed: int
) -> None:
    cluster = SimulatedCluster(slots=1, noise=noise, chance=random.Random(seed))

    cluster.run(concurrency_on(cluster), 600)

    assert cluster.usual_limit(since=30) == 1
    assert cluster.share_at({1}, since=30) > 0.9
    assert max(limit for _, limit in cluster.limits) <= 3


@pytest.mark.parametrize("slots", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("seed", range(5))
def test_given_a_cluster_that_works_on_several_at_a_time_then_about_as_many_are_in_flight(
    concurrency_on: MakeConcurrency, slots: int, seed: int
) -> None:
    cluster = SimulatedCluster(slots=slots, chance=random.Random(seed))

    cluster.run(concurrency_on(cluster), 600)

    assert abs(cluster.usual_limit(since=60) - slots) <= 1
    assert cluster.share_at({slots - 1, slots, slots + 1}, since=60) > 0.9


def test_given_a_cluster_without_limits_then_the_most_that_is_allowed_is_reached_within_seconds(
    concurrency_on: MakeConcurrency,
) -> None:
    cluster = SimulatedCluster(slots=100)

    cluster.run(concurrency_on(cluster), 60)

    assert next(at for at, limit in cluster.limits if limit == MOST) < 30
    assert cluster.usual_limit(since=30) == MOST


def test_given_a_settled_limit_then_trials_become_rare(concurrency_on: MakeConcurrency) -> None:
    cluster = SimulatedCluster(slots=4, noise=0.0)

    cluster.run(concurrency_on(cluster), 1200)

    late = [limit for at, limit in cluster.limits if at > 600]
    changes = sum(a != b for a, b in itertools.pairwise(late))
    assert changes <= 2 * 600 / 60 + 2, "out and back again once a minute"
    assert set(late) <= {3, 4, 5}, "one step at a time"


def test_given_a_cluster_that_becomes_smaller_then_the_limit_follows(concurrency_on: MakeConcurrency) -> None:
    cluster = SimulatedCluster(slots=8)
    concurrency = concurrency_on(cluster)
    cluster.run(concurrency, 120)

    cluster.slots = 2
    cluster.run(concurrency, 120)

    assert cluster.usual_limit(since=180) in {2, 3}


def test_given_a_cluster_that_becomes_larger_then_the_limit_follows(concurrency_on: MakeConcurrency) -> None:
    cluster = SimulatedCluster(slots=1)
    concurrency = concurrency_on(cluster)
    cluster.run(concurrency, 300)

    cluster.slots = 6
    cluster.run(concurrency, 300)

    assert abs(cluster.usual_limit(since=450) - 6) <= 1


def test_given_throttling_then_the_limit_is_halved_once_for_all_that_were_under_way() -> None:
    concurrency = Concurrency(MOST, lambda: 0.0)
    concurrency.limit = 8

    limits = []
    for _ in range(8):
        concurrency.answered(ACTIONS, 0.01, full=True, trouble=True)
        limits.append(concurrency.limit)

    assert limits == [4] * 8


def test_given_throttling_that_lasts_then_it_ends_at_one_and_never_at_none() -> None:
    concurrency = Concurrency(MOST, lambda: 0.0)
    concurrency.limit = 8

    for _ in range(100):
        concurrency.answered(ACTIONS, 0.01, full=True, trouble=True)

    assert concurrency.limit == 1


def test_given_a_throttling_cluster_when_it_has_recovered_then_the_limit_does_too(
    concurrency_on: MakeConcurrency,
) -> None:
    cluster = SimulatedCluster(slots=6)
    concurrency = concurrency_on(cluster)
    cluster.run(concurrency, 120)

    cluster.refuses_above = 0
    cluster.run(concurrency, 30)
    assert concurrency.limit == 1

    cluster.refuses_above = 10**6
    cluster.run(concurrency, 180)
    assert abs(cluster.usual_limit(since=cluster.now - 60) - 6) <= 1


def test_given_a_cluster_that_throttles_above_what_it_can_do_then_throttling_is_rare(
    concurrency_on: MakeConcurrency,
) -> None:
    cluster = SimulatedCluster(slots=4, refuses_above=4)

    cluster.run(concurrency_on(cluster), 600)

    assert cluster.share_at({3, 4}, since=60) > 0.9


def test_given_requests_that_are_not_full_then_nothing_is_learnt_from_them(
    concurrency_on: MakeConcurrency,
) -> None:
    cluster = SimulatedCluster(slots=8, full=False)

    cluster.run(concurrency_on(cluster), 60)

    assert {limit for _, limit in cluster.limits} == {1}


answers = st.tuples(st.integers(1, 5000), st.floats(0, 100), st.booleans(), st.booleans(), st.floats(0, 1000))


@settings(deadline=None)
@given(most=st.integers(1, 20), sequence=st.lists(answers, max_size=300))
def test_the_limit_is_within_its_bounds_whatever_the_answers(
    most: int, sequence: list[tuple[int, float, bool, bool, float]]
) -> None:
    now = 0.0
    concurrency = Concurrency(most, lambda: now)

    for actions, seconds, full, trouble, pause in sequence:
        before = concurrency.limit
        now += pause
        concurrency.answered(actions, seconds, full=full, trouble=trouble)
        assert 1 <= concurrency.limit <= most
        assert concurrency.limit <= before + 1, "it never leaps"
