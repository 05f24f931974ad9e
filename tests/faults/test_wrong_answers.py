"""Answers that a healthy Elasticsearch does not give, and requests that it refuses as a whole."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

from jobs import Outcome
from tests.faults.facts import unfinished
from tests.faults.harness import Harness
from tests.faults.operations import Kind, Operation, shuffled
from tests.faults.standin import Wrong

OPERATIONS = 12
POISON = "x-poison-x"


def every_other(wrong: Wrong) -> Callable[[bytes], Wrong | None]:
    """Wrong at first, then right, and so on."""
    turns = itertools.cycle((wrong, None))
    return lambda body: next(turns)


async def test_every_kind_of_wrong_answer(harness: Harness, seed: int, long_version: bool) -> None:
    # Given a worker that soon gives up waiting
    stand_in = await harness.stand_in(slow_seconds=2.5)
    impatient = {"PENSTOCK_REQUEST_TIMEOUT_SECONDS": "2", "PENSTOCK_RETRY_MAX_SECONDS": "0.2"}
    await harness.fleet.start(**impatient)
    kinds = [wrong for wrong in Wrong if wrong not in (Wrong.REFUSED, Wrong.TOO_LARGE)]
    random.Random(seed).shuffle(kinds)
    operations = OPERATIONS * (20 if long_version else 1)

    # When each kind has its turn, on documents that the earlier ones have written
    for number, wrong in enumerate(kinds):
        stand_in.wrong = every_other(wrong)
        mixed = shuffled(seed + number, documents=40, operations=operations, first=number * operations)
        submits = await harness.producers.submit_all(mixed)
        await harness.ended(*submits)
        assert stand_in.happened[wrong] > 0, wrong

    # Then
    await harness.verdict()


async def test_a_poisonous_action_fails_alone_though_it_fails_its_whole_request(harness: Harness) -> None:
    # Given an Elasticsearch that answers 400 to every request with a certain action in it
    stand_in = await harness.stand_in()
    stand_in.wrong = lambda body: Wrong.REFUSED if POISON.encode() in body else None
    doomed = [Operation(n, f"p{n}", Kind.INDEX, filler=POISON, doomed=True) for n in range(3)]
    innocents = shuffled(1, documents=40, operations=300, first=10)

    # When they travel together
    submits = await harness.producers.submit_all([*innocents[:100], *doomed[:2], *innocents[100:], doomed[2]])
    await harness.fleet.start()
    await harness.ended(*submits)

    # Then
    assert stand_in.happened[Wrong.REFUSED] > len(doomed), "the request was split"
    await harness.verdict()


async def test_an_action_that_makes_elasticsearch_fail_is_tried_alone_until_that_is_mended(
    harness: Harness,
) -> None:
    # Given an Elasticsearch that answers 500 to every request with a certain action in it
    stand_in = await harness.stand_in()
    stand_in.wrong = lambda body: Wrong.FAILED if POISON.encode() in body else None
    guilty = [Operation(n, f"p{n}", Kind.INDEX, filler=POISON) for n in range(3)]
    innocents = shuffled(1, documents=40, operations=300, first=10)

    # When they travel together
    submits = await harness.producers.submit_all([*innocents[:100], *guilty[:2], *innocents[100:], guilty[2]])
    await harness.fleet.start()
    of_guilty = [submits[100], submits[101], submits[-1]]
    await harness.ended(*(submit for submit in submits if submit not in of_guilty), seconds=20)

    # Then none but the guilty wait, whose jobs are neither failed nor given up
    later = await harness.producers.submit_all(shuffled(2, documents=40, operations=50, first=400))
    await harness.ended(*later, seconds=20)
    assert await unfinished(harness.redis) == len(guilty)
    assert stand_in.happened[Wrong.FAILED] > len(guilty), "they are tried"
    stand_in.wrong = lambda body: None
    await harness.ended(*of_guilty)
    await harness.verdict()


async def test_requests_over_the_servers_limit_are_split_and_a_document_over_it_fails_alone(
    harness: Harness,
) -> None:
    # Given a real limit of 2 MB, a batch of 5 MB, and in it a document of 3 MB
    large = [Operation(n, f"l{n % 30}", Kind.INDEX, filler="l" * 100_000) for n in range(50)]
    doomed = Operation(60, "doomed", Kind.INDEX, filler="d" * 3_000_000, doomed=True)
    small = shuffled(1, documents=20, operations=100, first=100)

    # When
    submits = await harness.producers.submit_all([*large[:20], doomed, *large[20:], *small])
    await harness.fleet.start()
    await harness.ended(*submits)

    # Then the one that is too large, and no other, is told so
    await harness.verdict()
    reports = await harness.reports()
    too_large = [report for report in reports if report.outcome is Outcome.REJECTED and report.id == "doomed"]
    assert len(too_large) == 1
