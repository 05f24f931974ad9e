"""The names of everything in Redis: arq's own keys as arq writes them, and Penstock's beside them.

Producers and workers of one Redis database must agree on these. They are not spread over a Redis
Cluster's slots: arq's keys are not either (CROSSSLOT).
"""

from __future__ import annotations

from collections.abc import Iterable

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

# The set of the names of all queues that have had workers.
QUEUES = "penstock:queues"

# A reindex concerns an index, whichever queue a job on it took: the rest of these are for all queues as well.

# The index names of which every ended job leaves its documents behind, for which reindex: a first line that
# changes with the rest, then lines of `<reindex id> <index name>`. Not there while nobody wants to know.
TOUCHING = "penstock:touching"
# A counter: the order in which documents were touched. Followed by `:<reindex id>`: sorted set of those that
# one reindex has to look at (worker/reindexing/touched.py); by `:<reindex id>:deleted`: hash of some of them
# to the version of their deletion; by `:<reindex id>:bound`: how many of them are kept at most, or `over`;
# by `:<reindex id>:untold`: set of jobs whose documents could not be told.
TOUCHED = "penstock:touched"
# Hash of index key (see `index_key` in envelope.py) to `<when the hold ends, in ms> <reindex id>`.
HELD = "penstock:held"

# Set of the aliases that are, or were, rebuilt: see `reindex_state`.
REINDEXES = "penstock:reindexes"


def reindex_state(alias: str) -> str:
    """Hash of one alias's reindex, each value as JSON: where it stands and what it needs to go on."""
    return f"penstock:reindex:{alias}"


def verification(index: str, source: str) -> str:
    """How far the comparison of an index with a source has come, as JSON; gone when it has ended."""
    return f"penstock:verify:{source}:{index}"


def idempotency_prefix(queue: str) -> str:
    """Followed by a producer's idempotency key; holds the id of the job that took it first."""
    return f"penstock:{queue}:idempotency:"


def wake_channel(queue: str) -> str:
    """Published to by every enqueue, so that an idle worker need not wait for its next poll."""
    return f"penstock:{queue}:wake"


# What the wake channels say of a hold that begins, followed by its index keys; everything else only wakes.
_HELD_MESSAGE = "held "


def held_message(index_keys: Iterable[str]) -> str:
    """For the wake channels: from now on the jobs on these indices are held."""
    return _HELD_MESSAGE + " ".join(index_keys)


def held_in(message: object) -> frozenset[str]:
    """The index keys in a message of a wake channel."""
    told = message.decode() if isinstance(message, bytes) else ""
    return frozenset(told.split()[1:]) if told.startswith(_HELD_MESSAGE) else frozenset()


def workers(queue: str) -> str:
    """Set of the ids of the workers that hold, or may hold, jobs of this queue."""
    return f"penstock:{queue}:workers"


def marks(queue: str) -> str:
    """Sorted set of `<kind> <worker>` to the time in ms at which the mark ends (worker/sharing.py)."""
    return f"penstock:{queue}:marks"


def life_prefix(queue: str) -> str:
    """Followed by a worker's id: what it tells of itself, as JSON; expires with its lease."""
    return f"penstock:{queue}:worker:"


def claimed_prefix(queue: str) -> str:
    """Followed by a worker's id: sorted set of its claimed jobs, each with the score it had in the queue."""
    return f"penstock:{queue}:claimed:"


def claim_numbers(queue: str) -> str:
    """Sorted set of the workers' ids, each with the number of its latest claim: earlier ones take nothing."""
    return f"penstock:{queue}:claim-numbers"


def holders(queue: str) -> str:
    """Hash of document key to `<jobs> <worker>`: who holds it, with how many of its claimed jobs."""
    return f"penstock:{queue}:holders"


def aside(queue: str) -> str:
    """Sorted set of jobs that wait for a document, with the scores they had in the queue.

    Followed by ``:<document key>``: those of them that wait for one document.
    """
    return f"penstock:{queue}:aside"


def slotless(queue: str) -> str:
    """Sorted set of functions that wait for a free slot, with the scores they had in the queue."""
    return f"penstock:{queue}:slotless"


def counters(queue: str) -> str:
    """Hash of counters since the queue was first used: jobs, actions by outcome, bulk requests."""
    return f"penstock:{queue}:counters"


def failures(queue: str) -> str:
    """List of the ids of the latest failed jobs, newest first; bounded."""
    return f"penstock:{queue}:failures"


def dead_letters(queue: str) -> str:
    """Sorted set of the ids of dead jobs, each with the time of its death in ms; no two times are the same.

    Followed by ``:<id>``: hash of one dead letter (jobs/dead_letters.lua). Followed by ``-bytes``: hash of
    ``:<id>`` to the bytes that it holds, and ``total``.
    """
    return f"penstock:{queue}:dead"


def retried_prefix(queue: str) -> str:
    """Followed by the id of a dead letter that was retried; holds the new job's id, for a while."""
    return f"penstock:{queue}:retried:"


def awaited(queue: str) -> str:
    """Hash of job id to the channel of the client that waits for the job's end."""
    return f"penstock:{queue}:awaited"


def ended_channel(queue: str, client: str) -> str:
    """Where one client is told the ids of the ended jobs that it waits for."""
    return f"penstock:{queue}:ended:{client}"


def suspects(queue: str) -> str:
    """Hash of job id to the number of workers that died while they held it."""
    return f"penstock:{queue}:suspects"


def accused(queue: str) -> str:
    """Sorted set of the suspects that wait to be run apart from others, with their scores."""
    return f"penstock:{queue}:accused"


def apart_prefix(queue: str) -> str:
    """Followed by a worker's id: set of the suspects that it runs apart from all others at the moment."""
    return f"penstock:{queue}:apart:"


def parked_targets(queue: str) -> str:
    """Hash of the targets that take no writes to the time of their latest probe, in ms.

    A target is ``<way>:<index>`` or ``source:<name>``, way being one of `jobs.overview.REFUSED`.
    """
    return f"penstock:{queue}:parked-targets"


def parked_reasons(queue: str) -> str:
    """Hash of the targets that take no writes to why, as JSON (type and reason)."""
    return f"penstock:{queue}:parked-reasons"


def parked_prefix(queue: str) -> str:
    """Followed by a target: sorted set of its parked jobs, with the scores they had."""
    return f"penstock:{queue}:parked:"


def held(queue: str) -> str:
    """Set of the index keys of which jobs are aside because their index is, or was, held for a reindex.

    Followed by ``:<index key>``: sorted set of those jobs, with the scores they had.
    """
    return f"penstock:{queue}:held"
