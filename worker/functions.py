"""Penstock's jobs as arq functions: `reindex` for every worker, and the jobs that write documents for arq's
stock worker, which has no claim of its own.

A function that can never succeed raises JobFailed; arq stores it as the job's result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Function, func

from jobs.envelope import deserialize, document_key, document_keys
from jobs.errors import JobFailed
from jobs.models import PAYLOADS, BulkWrite, DocumentAction, LoadDocuments, ReindexAlias
from jobs.report import Report, refusal

from .actions import Action, actions_of, kept, loads_of
from .claims import Claims
from .delivery import Delivery
from .intake import RETRIED_MEMBERS, WRITES, Refused, Retried, check_kept, read_payload, read_retried
from .registry import Registry, Source
from .reindexing import job as reindexing
from .reports import Result
from .runtime import runtime_of
from .verifying.job import verify

# A try is used up by every restart of a worker, and a restart is no fault of the job.
MANY_TRIES = 1_000_000
# arq has no "no time limit"; a killed stock worker holds its jobs for as long as its longest one.
LONG_SECONDS = 86_400
# A reindex has no end that could be known before; one that is cut off goes on where it was.
_NO_LIMIT_SECONDS = 10 * 366 * 86_400


# What a job that writes documents can have as its payload.
_Written = DocumentAction | BulkWrite | LoadDocuments
_WRITES = sorted({*WRITES, LoadDocuments.job})
# A member that no payload has: arq hands a function the arguments of its job and nothing else.
_RETRIED = "retried job"


def deserialize_for_arq(raw: bytes) -> dict[str, Any]:
    """What is stored for a job, for arq; a retried write takes along what it says of itself."""
    members = deserialize(raw)
    said = {name: members[name] for name in RETRIED_MEMBERS & members.keys()}
    if said and members.get("f") in _WRITES and isinstance(members.get("k"), dict):
        members["k"] = members["k"] | {_RETRIED: said}
    return members


def _read_write(name: str, arguments: dict[str, Any]) -> tuple[_Written, Retried]:
    """The checked payload of a writing job, and what a retried one says of itself. Raises JobFailed."""
    said = arguments.get(_RETRIED)
    retry = arguments.pop(_RETRIED) if isinstance(said, dict) else {}
    try:
        retried = read_retried(retry)
        payload = read_payload(name, arguments)
        assert isinstance(payload, _Written), name
        check_kept(payload, retried)
    except Refused as refused:
        raise JobFailed(refused.naming(retry).report) from refused
    return payload, retried


def _source_of(payload: _Written, registry: Registry) -> Source | None:
    """The source of a load, None for all else. Raises JobFailed: the stock worker has no place to wait at."""
    if not isinstance(payload, LoadDocuments):
        return None
    if payload.source in registry.sources:
        return registry.sources[payload.source]
    known = ", ".join(sorted(registry.sources)) or "none"
    reason = f"no source is named {payload.source!r}; this worker knows {known}"
    raise JobFailed(refusal("unknown_source", reason))


def _keys(payload: _Written, source: Source | None) -> Sequence[str]:
    if isinstance(payload, LoadDocuments) and source is not None:
        return [document_key(source.index, id) for id in payload.ids]
    return document_keys(payload)


def _actions(payload: _Written, number: int, keys: Sequence[str], source: Source | None) -> list[Action]:
    if not isinstance(payload, LoadDocuments):
        return actions_of(payload, number, keys)
    assert source is not None, "a load without a source has been refused"
    return loads_of(payload, source.index, number, keys)


async def _write(name: str, ctx: Mapping[Any, Any], arguments: dict[str, Any]) -> Report:
    """A writing job under the stock worker: admitted here, then batched with all others."""
    runtime = runtime_of(ctx)
    payload, retried = _read_write(name, arguments)
    source = _source_of(payload, runtime.registry)
    redis: ArqRedis = ctx["redis"]
    claims = Claims(redis, redis, runtime.settings.queue, runtime.name)
    keys = _keys(payload, source)
    (number,) = await claims.admit([(ctx["job_id"].encode(), keys)], reorder=False)
    if number is None:
        raise JobFailed(refusal("payload_missing", "the job's payload was removed while it was started"))
    answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()

    def done(report: Report, results: Sequence[Result]) -> None:
        if not answer.cancelled():
            answer.set_result(report)

    actions = _actions(payload, number, keys, source)
    if retried.keep:
        actions = kept(actions, retried.positions)
    enqueued_ms = int(ctx["enqueue_time"].timestamp() * 1000) if retried.keep or source else None
    bulk = not isinstance(payload, DocumentAction)
    delivery = Delivery(actions, done, bulk=bulk, enqueued_ms=enqueued_ms)
    add = runtime.batcher.add_loads if source else runtime.batcher.add
    add(delivery.entries)
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
    """The functions that Penstock's own worker runs one by one."""
    return [
        func(reindexing.reindex, name="reindex", timeout=_NO_LIMIT_SECONDS, max_tries=MANY_TRIES),
        func(verify, name="verify", timeout=LONG_SECONDS, max_tries=MANY_TRIES),
    ]


def stock_functions() -> list[Function]:
    """All jobs as functions, for arq's stock worker, which can't reindex."""
    own = [function for function in own_functions() if function.name != ReindexAlias.job]
    refused = func(reindexing.refused, name=ReindexAlias.job, max_tries=MANY_TRIES)
    return [*own, refused, *(_writing(name) for name in _WRITES)]


def taken_names(functions: Mapping[str, object], own: Sequence[Function]) -> list[str]:
    """Names of Penstock's jobs under which `functions` has something else than Penstock's `own`."""
    ours = {function.name: function for function in own}
    return sorted(
        name for name in PAYLOADS.keys() & functions.keys() if functions[name] is not ours.get(name)
    )
