"""The job `verify`, as an arq function."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any

from arq.worker import Retry
from elastic_transport import ApiError, TransportError
from redis.exceptions import RedisError

from jobs.errors import JobFailed, QueueUnavailable
from jobs.models import VerifyIndex
from jobs.report import Report, refusal

from ..answers import read_failure
from ..intake import payload_of
from ..records import BadRecord
from ..reindexing.pages import Unreadable
from ..runtime import runtime_of
from .findings import Place
from .reading import SourceFailed
from .run import verify as compare

logger = logging.getLogger("penstock.verify")

_PAUSE_SECONDS = 5
# A source that is away comes back; one with a defect does not: two minutes tell them apart.
_SOURCE_TRIES = 24


async def verify(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
    """Compare an index with a source. A report of success says that it was compared, and what differs."""
    payload = payload_of(VerifyIndex, arguments)
    runtime = runtime_of(ctx)
    began = monotonic()
    try:
        place = await compare(
            runtime.client,
            ctx["redis"],
            runtime.registry,
            payload,
            runtime.backoff,
            queue=runtime.settings.queue,
            source_timeout=runtime.settings.source_timeout_seconds,
        )
    except JobFailed:
        raise
    except (RedisError, OSError, QueueUnavailable) as error:
        raise Retry(_PAUSE_SECONDS) from error  # it goes on where it was
    except (ApiError, TransportError) as error:
        problem = read_failure(error)[1]
        raise JobFailed(refusal(problem.type, problem.reason, index=payload.index)) from error
    except Unreadable as error:
        raise JobFailed(refusal("unreadable_document", str(error), index=payload.index)) from error
    except (SourceFailed, BadRecord) as error:
        raise _source_failed(error, payload, ctx["job_try"]) from error
    logger.info("%s compared with source %s: %d differ", payload.index, payload.source, place.findings.total)
    took_ms = round((monotonic() - began) * 1000, 3)
    return Report(index=payload.index, attempts=ctx["job_try"], took_ms=took_ms, details=details(place))


def details(place: Place) -> dict[str, Any]:
    """What is told of a verification that has ended."""
    return {"source": place.source, "documents": place.documents, **place.findings.to_wire()}


def _source_failed(error: SourceFailed | BadRecord, payload: VerifyIndex, tries: int) -> Exception:
    if isinstance(error, SourceFailed) and tries < _SOURCE_TRIES:
        logger.warning("source %s can't be read; tried again", payload.source)
        return Retry(_PAUSE_SECONDS)
    kind = "bad_record" if isinstance(error, BadRecord) else "source_failed"
    reason = f"source {payload.source!r}: {error}"
    return JobFailed(refusal(kind, reason, index=payload.index))
