"""The cluster's breaker: what opens it, how it probes, what closes it. The clock is the test's."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.worker.clock import Clock
from worker.answers import Away
from worker.breaker import Breaker, State


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A closed breaker."""
    return Breaker(clock)


def opened(breaker: Breaker, clock: Clock) -> Breaker:
    while not breaker.failed(Away.YES, sent=clock.now):
        pass
    return breaker


@pytest.mark.parametrize(
    ("failures", "opens"),
    [
        ([Away.YES], False),
        ([Away.YES, Away.YES], True),
        ([Away.MAYBE, Away.MAYBE], False),
        ([Away.MAYBE, Away.YES], True),
        ([Away.MAYBE, Away.MAYBE, Away.MAYBE], True),
    ],
)
def test_given_failures_in_a_row_then_enough_of_them_open_it(
    breaker: Breaker, clock: Clock, failures: list[Away], opens: bool
) -> None:
    results = [breaker.failed(away, sent=clock.now) for away in failures]

    assert results == [False] * (len(failures) - 1) + [opens]
    assert (breaker.state is State.OPEN) is opens


def test_given_answers_in_between_then_failures_do_not_add_up(breaker: Breaker, clock: Clock) -> None:
    for _ in range(10):
        assert not breaker.failed(Away.YES, sent=clock.now)
        assert breaker.answered() is None

    assert breaker.state is State.CLOSED


def test_given_a_closed_one_then_there_is_no_probe(breaker: Breaker) -> None:
    assert breaker.seconds_to_probe() is None


def test_given_an_open_one_then_the_first_probe_is_soon_and_the_others_a_second_apart(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker, clock)
    assert breaker.seconds_to_probe() == pytest.approx(0.1)

    clock.now += 0.1
    assert breaker.seconds_to_probe() == pytest.approx(0.0, abs=1e-9)
    for _ in range(5):
        breaker.probe()
        assert (breaker.state, breaker.seconds_to_probe()) == (State.HALF_OPEN, None)
        clock.now += 0.02
        assert not breaker.failed(Away.YES, sent=clock.now - 0.02), "it was open already"
        assert breaker.seconds_to_probe() == pytest.approx(0.98)
        clock.now += 0.98


def test_given_a_probe_that_is_answered_then_it_is_closed_and_says_how_long_it_was_open(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker, clock)
    clock.now += 30
    breaker.probe()
    clock.now += 2

    assert breaker.answered() == pytest.approx(32)
    assert breaker.state is State.CLOSED
    assert breaker.answered() is None


def test_given_a_request_from_before_the_outage_when_it_is_answered_then_the_cluster_is_there(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker, clock)
    clock.now += 1

    assert breaker.answered() == pytest.approx(1)


def test_given_requests_from_before_when_they_fail_late_then_they_say_nothing_of_now(
    breaker: Breaker, clock: Clock
) -> None:
    long_ago = clock.now - 20
    opened(breaker, clock)
    clock.now += 1
    breaker.probe()
    breaker.failed(Away.YES, sent=long_ago)
    assert breaker.state is State.HALF_OPEN, "the probe is still under way"
    breaker.answered()

    for _ in range(9):
        assert not breaker.failed(Away.YES, sent=long_ago)
    assert breaker.state is State.CLOSED


def test_given_a_wish_for_silence_then_the_probe_waits_for_its_end(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(Away.YES, sent=clock.now)
    breaker.failed(Away.YES, sent=clock.now, retry_after=30)
    assert breaker.seconds_to_probe() == pytest.approx(30)

    clock.now += 30
    breaker.probe()
    breaker.failed(Away.YES, sent=clock.now, retry_after=10)
    assert breaker.seconds_to_probe() == pytest.approx(10)


def test_given_probes_without_an_answer_then_most_are_cut_short_and_some_have_all_their_time(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker, clock)
    limits = []
    for _ in range(8):
        limits.append(breaker.probe())
        clock.now += 3
        breaker.failed(Away.MAYBE, sent=clock.now)

    assert limits == [3.0, 3.0, 3.0, None, 3.0, 3.0, 3.0, None]


class AnySequence(RuleBasedStateMachine):
    """Requests that leave when they may, and succeed or fail in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(self.clock)
        self.under_way: list[float] = []
        self.probes: list[float] = []

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.breaker.state is State.CLOSED)
    @rule()
    def send(self) -> None:
        self.under_way.append(self.clock.now)

    @precondition(lambda self: self.breaker.seconds_to_probe() == 0)
    @rule()
    def probe(self) -> None:
        self.breaker.probe()
        self.probes.append(self.clock.now)
        self.under_way.append(self.clock.now)

    @precondition(lambda self: self.under_way)
    @rule(choice=st.data(), away=st.sampled_from(Away))
    def end(self, choice: st.DataObject, away: Away) -> None:
        sent = choice.draw(st.sampled_from(self.under_way))
        self.under_way.remove(sent)
        if away is Away.NO:
            self.breaker.answered()
            assert self.breaker.state is State.CLOSED
        else:
            self.breaker.failed(away, sent=sent)

    @invariant()
    def probes_are_rare(self) -> None:
        """Two that belong to different outages may be nearer."""
        if len(self.probes) > 1 and self.breaker.state is State.HALF_OPEN:
            assert self.probes[-1] - self.probes[-2] >= 0.1

    @invariant()
    def it_never_waits_for_good(self) -> None:
        match self.breaker.state:
            case State.CLOSED:
                assert self.breaker.seconds_to_probe() is None
            case State.OPEN:
                seconds = self.breaker.seconds_to_probe()
                assert seconds is not None
                assert 0 <= seconds < 1.000001  # the clock is a sum of floats
            case State.HALF_OPEN:
                assert self.probes[-1] in self.under_way, "its probe will end"


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
