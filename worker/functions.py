"""Penstock's jobs as arq functions: `load` and `reindex` for every worker, and the writing jobs for
arq's stock worker, which has no claim of its own.

A function that can never succeed raises JobFailed; arq stores it as the job's result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Function, Retry, func
from elastic_transport import ApiError, TransportError
from elasticsearch import NotFoundError
from elasticsearch.helpers import BulkIndexError

from jobs.envelope import deserialize, document_keys
from jobs.errors import JobFailed
from jobs.models import PAYLOADS, BulkWrite, DocumentAction, LoadDocuments, ReindexAlias
from jobs.report import Report, refusal

from .actions import actions_of, kept
from .answers import Trouble, read_failure, type_and_reason
from .claims import Claims
from .delivery import Delivery
from .intake import RETRIED_MEMBERS, WRITES, Refused, Retried, check_kept, read_payload, read_retried
from .reindex import reindex_alias
from .runtime import runtime_of

# A try is used up by every restart of a worker, and a restart is no fault of the job.
MANY_TRIES = 1_000_000
# arq has no "no time limit"; a killed stock worker holds its jobs for as long as its longest one.
LONG_SECONDS = 86_400
_REINDEX_PAUSE_SECONDS = 5


async def load(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
    """Read records from a registered source and index them; sources come with a later version."""
    payload = _payload("load", arguments)
    assert isinstance(payload, LoadDocuments)
    reason = f"no source named {payload.source!r} is registered with this worker"
    raise JobFailed(refusal("unknown_source", reason))


async def reindex(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
    """Build a new index behind an alias and move the alias to it."""
    payload = _payload("reindex", arguments)
    assert isinstance(payload, ReindexAlias)
    runtime = runtime_of(ctx)
    try:
        return await reindex_alias(runtime.client, payload, gc_deletes=runtime.settings.gc_deletes)
    except BulkIndexError as error:
        item = next(iter(error.errors[0].values()))
        kind, reason = type_and_reason(item.get("error"))
        where = {"index": item.get("_index"), "id": item.get("_id")}
        raise JobFailed(refusal(kind, reason, **where)) from error
    except (ApiError, TransportError) as error:
        trouble, problem = read_failure(error)
        if trouble is not Trouble.REFUSED and not isinstance(error, NotFoundError):
            raise Retry(_REINDEX_PAUSE_SECONDS) from error  # the cluster is away: no fault of the job
        raise JobFailed(refusal(problem.type, problem.reason, index=payload.alias)) from error


def _payload(name: str, arguments: dict[str, Any]) -> Any:
    try:
        return read_payload(name, arguments)
    except Refused as refused:
        raise JobFailed(refused.report) from refused


# A member that no payload has: arq hands a function the arguments of its job and nothing else.
_RETRIED = "retried job"


def deserialize_for_arq(raw: bytes) -> dict[str, Any]:
    """What is stored for a job, for arq; a retried write takes along what it says of itself."""
    members = deserialize(raw)
    said = {name: members[name] for name in RETRIED_MEMBERS & members.keys()}
    if said and members.get("f") in WRITES and isinstance(members.get("k"), dict):
        members["k"] = members["k"] | {_RETRIED: said}
    return members


def _read_write(name: str, arguments: dict[str, Any]) -> tuple[DocumentAction | BulkWrite, Retried]:
    """The checked payload of a writing job, and what a retried one says of itself. Raises JobFailed."""
    said = arguments.get(_RETRIED)
    retry = arguments.pop(_RETRIED) if isinstance(said, dict) else {}
    try:
        retried = read_retried(retry)
        payload = read_payload(name, arguments)
        assert isinstance(payload, DocumentAction | BulkWrite), name
        check_kept(payload, retried)
    except Refused as refused:
        raise JobFailed(refused.naming(retry).report) from refused
    return payload, retried


async def _write(name: str, ctx: Mapping[Any, Any], arguments: dict[str, Any]) -> Report:
    """A writing job under the stock worker: admitted here, then batched with all others."""
    runtime = runtime_of(ctx)
    payload, retried = _read_write(name, arguments)
    redis: ArqRedis = ctx["redis"]
    claims = Claims(redis, redis, runtime.settings.queue, runtime.name)
    keys = document_keys(payload)
    (number,) = await claims.admit([(ctx["job_id"].encode(), keys)], reorder=False)
    if number is None:
        raise JobFailed(refusal("payload_missing", "the job's payload was removed while it was started"))
    answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()

    def done(report: Report) -> None:
        if not answer.cancelled():
            answer.set_result(report)

    actions, enqueued_ms = actions_of(payload, number, keys), None
    if retried.keep:
        actions = kept(actions, retried.positions)
        enqueued_ms = int(ctx["enqueue_time"].timestamp() * 1000)
    delivery = Delivery(actions, done, bulk=isinstance(payload, BulkWrite), enqueued_ms=enqueued_ms)
    runtime.batcher.add(delivery.entries)
    runtime.batcher.pump()
    report = replace(await answer, retry_of=retried.retry_of)
    if report.failed:
        raise JobFailed(report)
    return report


def _writing(name: str) -> Function:
    async def write(ctx: Mapping[Any, Any], **arguments: Any) -> Report:
        return await _write(name, ctx, arguments)

    return func(write, name=name, timeout=LONG_SECONDS, max_tries=MANY_TRIES)


def own_functions() -> list[Function]:
    """The functions that run one by one under both kinds of worker."""
    return [
        func(load, name="load", max_tries=MANY_TRIES),
        func(reindex, name="reindex", timeout=LONG_SECONDS, max_tries=MANY_TRIES),
    ]


def stock_functions() -> list[Function]:
    """All jobs as functions, for arq's stock worker."""
    return [*own_functions(), *(_writing(name) for name in sorted(WRITES))]


def taken_names(functions: Mapping[str, object], own: Sequence[Function]) -> list[str]:
    """Names of Penstock's jobs under which `functions` has something else than Penstock's `own`."""
    ours = {function.name: function for function in own}
    return sorted(
        name for name in PAYLOADS.keys() & functions.keys() if functions[name] is not ours.get(name)
    )
