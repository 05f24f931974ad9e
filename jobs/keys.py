"""The names of everything in Redis: arq's own keys as arq writes them, and Penstock's beside them.

Producers and workers of one Redis database must agree on these. They are not spread over a Redis
Cluster's slots: arq's keys are not either (CROSSSLOT).
"""

from __future__ import annotations

DEFAULT_QUEUE = "arq:queue"

# arq.constants, repeated because a producer need not have arq installed.
JOB_PREFIX = "arq:job:"
IN_PROGRESS_PREFIX = "arq:in-progress:"
RESULT_PREFIX = "arq:result:"
RETRY_PREFIX = "arq:retry:"
ABORT_SET = "arq:abort"

# From these scores on a job of the queue is claimed, or waits for a document (worker/lua/documents.lua).
CLAIMED_SCORE = 1e13
ASIDE_SCORE = 2e13

# One number line for all queues, so that a document's writes are ordered whichever queue they took.
LAST_NUMBER = "penstock:last-number"


def idempotency_prefix(queue: str) -> str:
    """Followed by a producer's idempotency key; holds the id of the job that took it first."""
    return f"penstock:{queue}:idempotency:"


def wake_channel(queue: str) -> str:
    """Published to by every enqueue, so that an idle worker need not wait for its next poll."""
    return f"penstock:{queue}:wake"


def workers(queue: str) -> str:
    """Set of the ids of the workers that hold, or may hold, jobs of this queue."""
    return f"penstock:{queue}:workers"


def life_prefix(queue: str) -> str:
    """Followed by a worker's id: what it tells of itself, as JSON; expires with its lease."""
    return f"penstock:{queue}:worker:"


def claimed_prefix(queue: str) -> str:
    """Followed by a worker's id: sorted set of its claimed jobs, each with the score it had in the queue."""
    return f"penstock:{queue}:claimed:"


def held_prefix(queue: str) -> str:
    """Followed by a worker's id: hash of document key to the number of its claimed jobs that touch it."""
    return f"penstock:{queue}:held:"


def holders(queue: str) -> str:
    """Hash of document key to the worker that holds the document."""
    return f"penstock:{queue}:holders"


def aside(queue: str) -> str:
    """Sorted set of jobs that wait for a document, with the scores they had in the queue.

    Followed by ``:<document key>``: those of them that wait for one document.
    """
    return f"penstock:{queue}:aside"


def counters(queue: str) -> str:
    """Hash of counters since the queue was first used: jobs, actions by outcome, bulk requests."""
    return f"penstock:{queue}:counters"


def failures(queue: str) -> str:
    """List of the ids of the latest failed jobs, newest first; bounded."""
    return f"penstock:{queue}:failures"
