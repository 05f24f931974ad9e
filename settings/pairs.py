"""Pairs of settings that must fit each other: each message says which of the two to raise or to lower.

All pairs are checked and every problem is told, not the first alone. Pairs of the connection to Elasticsearch
(credentials, TLS) are in `elasticsearch_pairs`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from settings.limits import LimitFields
from settings.names import variable
from settings.redis import HEARTBEATS_PER_LEASE, RedisFields

# Elasticsearch answers 413 to a larger body: http.max_content_length, 100 MB unless the cluster changes it.
HTTP_MAX_CONTENT_BYTES = 104_857_600


@dataclass(frozen=True)
class Pair:
    """`larger` must be greater than `smaller`, or at least as great; `why` says what happens otherwise."""

    larger: str
    smaller: str
    why: str
    may_be_equal: bool = False

    def problem(self, settings: object) -> str | None:
        """What is wrong and what to change, or None."""
        larger, smaller = getattr(settings, self.larger), getattr(settings, self.smaller)
        if larger > smaller or (self.may_be_equal and larger == smaller):
            return None
        relation = "at least" if self.may_be_equal else "more than"
        return (
            f"{variable(self.larger)}: expected {relation} {variable(self.smaller)} ({smaller:.12g}), "
            f"got {larger:.12g}; raise the first or lower the second: {self.why}"
        )


PAIRS = (
    Pair(
        "connections_per_node",
        "max_requests_in_flight",
        "the time a request waits for a free connection counts against its timeout",
    ),
    Pair(
        "grace_period_seconds",
        "request_timeout_seconds",
        "a request under way when the worker is told to stop must be able to end",
    ),
    Pair(
        "retry_max_seconds",
        "retry_initial_seconds",
        "the longest pause can't be shorter than the first",
        may_be_equal=True,
    ),
    Pair(
        "max_claimed_jobs",
        "batch_max_actions",
        "a batch of single-document jobs could never fill up",
        may_be_equal=True,
    ),
    Pair(
        "claimed_max_bytes",
        "batch_max_bytes",
        "a batch could never fill up",
        may_be_equal=True,
    ),
    Pair(
        "claimed_max_bytes",
        "job_max_bytes",
        "the largest job could never be taken",
        may_be_equal=True,
    ),
    Pair(
        "dead_letters_max_bytes",
        "job_max_bytes",
        "the largest job would push every other dead letter out",
        may_be_equal=True,
    ),
)


def pair_problems(settings: object) -> Iterator[str]:
    """One line for each of `PAIRS` that does not fit."""
    for pair in PAIRS:
        if (problem := pair.problem(settings)) is not None:
            yield problem


def body_problems(limits: LimitFields) -> Iterator[str]:
    """One line for each limit that allows a request larger than Elasticsearch reads."""
    for field in ("batch_max_bytes", "job_max_bytes"):
        value = getattr(limits, field)
        if value >= HTTP_MAX_CONTENT_BYTES:
            yield (
                f"{variable(field)}: expected less than {HTTP_MAX_CONTENT_BYTES} (Elasticsearch's "
                f"http.max_content_length, 100 MB), got {value}; lower it: larger requests are refused (413)"
            )


def lease_problems(redis: RedisFields) -> Iterator[str]:
    """One line if a single slow call to Redis could cost a worker that is alive its lease."""
    spare = redis.lease_seconds - redis.heartbeat_seconds
    if spare <= redis.redis_timeout_seconds:
        least = redis.redis_timeout_seconds * HEARTBEATS_PER_LEASE / (HEARTBEATS_PER_LEASE - 1)
        yield (
            f"{variable('lease_seconds')}: expected more than {least:.12g} (1.25 times "
            f"{variable('redis_timeout_seconds')}), got {redis.lease_seconds:.12g}; raise the first or lower "
            "the second: one slow call to Redis must not cost a live worker its jobs"
        )
