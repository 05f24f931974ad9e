"""A request that is repeated until it is answered: nothing that passes by ends a copy of hours.

Repeated, after a backoff, for as long as it takes: no answer, no connection, 429, 5xx, an answer with parts
missing. Raised: what will be answered in the same way again (a missing index, a missing right).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from elastic_transport import ApiError, TransportError

from worker.answers import Away, Problem, Trouble, read_failure
from worker.backoff import Backoff
from worker.bulk_request import NotElasticsearch, without_frames

from .pages import IncompletePage

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]

logger = logging.getLogger("penstock.reindex")

# Between two looks for a cluster that is away: the two slices of most copies look once a second together.
_AWAY_SECONDS = 2.0


async def patiently(ask: Callable[[], Awaitable[T]], backoff: Backoff, *, sleep: Sleep = asyncio.sleep) -> T:
    """What `ask` answers in the end. Raises ApiError or what else `ask` raises, where that is final."""
    troubles = 0
    while True:
        try:
            return await ask()
        except (ApiError, TransportError) as error:
            trouble, problem = _passing(error)
        except (IncompletePage, NotElasticsearch) as error:
            trouble, problem = Trouble.UNAVAILABLE, Problem("incomplete_answer", str(error))
        troubles += 1
        await pause(trouble, problem, troubles, backoff, sleep)


async def pause(trouble: Trouble, problem: Problem, troubles: int, backoff: Backoff, sleep: Sleep) -> None:
    """Wait after so many troubles in a row (1 or more); longer where patience is asked for."""
    patient = trouble in (Trouble.THROTTLED, Trouble.BLOCKED, Trouble.FAILED)
    delay = backoff.patient_delay(troubles) if patient else backoff.delay(troubles)
    delay += problem.retry_after
    if problem.away is not Away.NO and troubles > 1:
        delay = max(delay, _AWAY_SECONDS)
    logger.warning("tried again in %.2f s (%s, %s: %s)", delay, trouble, problem.type, problem.reason)
    await sleep(delay)


def is_final(error: ApiError | TransportError) -> bool:
    """Whether Elasticsearch will answer the same again: a status that is neither 429 nor of the server's."""
    return isinstance(error, ApiError) and error.meta.status != 429 and error.meta.status < 500


def _passing(error: ApiError | TransportError) -> tuple[Trouble, Problem]:
    if is_final(error):
        raise error
    return read_failure(without_frames(error))
