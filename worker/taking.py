"""Starts claimed jobs: reads each one and hands it to whoever runs it.

1. Plain `index` actions go into the batcher without their documents being built (see plain_index).
2. Other writing jobs are checked, taken apart into actions, and go into the batcher.
3. `load`, `reindex` and custom functions go to the function runner.
4. What can never succeed ends here with its report.

A job that came by plain arq and writes has no number yet: its documents are named, for it to be admitted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import time
from typing import ParamSpec, TypeVar

from jobs.envelope import document_keys
from jobs.models import PAYLOADS, BulkWrite
from jobs.report import refusal

from .actions import actions_of, kept
from .batcher import Batcher
from .claims import CRASHER, Claimed
from .delivery import Delivery, LoneDelivery
from .endings import Endings
from .holding import Holding
from .intake import WRITES, Call, Refused, read_call, read_payload, read_write
from .parking import Parking
from .plain_index import read_plain

logger = logging.getLogger("penstock.session")

# The event loop gets its turn after so many bytes, or so many jobs: about 5 ms of reading.
_BYTES_PER_TURN = 512 * 1024
_JOBS_PER_TURN = 250
# A payload above this is read in a thread: 10 MiB of JSON would stop the event loop for 100 ms.
_LARGE_BYTES = 512 * 1024

# Between two looks at a job whose name this worker does not know.
_SHORTEST_PARK_MS = 1000
_LONGEST_PARK_MS = 30_000
_CRASHED = "three times a worker died while it ran this job and nothing else"

P = ParamSpec("P")
T = TypeVar("T")
Unadmitted = tuple[bytes, Sequence[str]]


class Taking:
    """See the module. `functions` are the names that `run_function` takes; `postpone` puts a job back until a
    time in ms since 1970."""

    def __init__(
        self,
        batcher: Batcher,
        holding: Holding,
        endings: Endings,
        parking: Parking,
        postpone: Callable[[Claimed, float], None],
        *,
        functions: Collection[str],
        job_max_bytes: int,
        park_unknown_seconds: float,
    ) -> None:
        self._batcher, self._holding, self._endings, self._parking = batcher, holding, endings, parking
        self._postpone, self._park_ms = postpone, park_unknown_seconds * 1000
        self._functions, self._job_max_bytes = functions, job_max_bytes
        self.run_function: Callable[[Claimed, Call], None] = _no_function

    async def take(self, jobs: Sequence[Claimed]) -> list[Unadmitted]:
        """Start claimed jobs in their order; those that have to be admitted first, with their documents."""
        unadmitted: list[Unadmitted] = []
        size, now = 0, time()
        for number, claimed in enumerate(jobs, 1):
            if self._took_plain(claimed, now):
                pass
            elif len(claimed.raw) > _LARGE_BYTES:
                await self._take(claimed, unadmitted, in_thread=True)
            else:
                await self._take(claimed, unadmitted, in_thread=False)
            size += len(claimed.raw)
            if number % _JOBS_PER_TURN == 0 or size > _BYTES_PER_TURN:
                self._batcher.pump(only_full=True)
                await asyncio.sleep(0)
                size, now = 0, time()
        self._batcher.pump()
        self._parking.claim_ended()
        return unadmitted

    def _took_plain(self, claimed: Claimed, now: float) -> bool:
        """Hand over a job of plain actions; whether it was one."""
        if claimed.attempt or len(claimed.raw) > _LARGE_BYTES:
            return False
        plain = read_plain(claimed.raw, self._job_max_bytes)
        if plain is None:
            return False
        self._holding.add(claimed)
        name, enqueued_ms, actions = plain
        if self._parking.any_blocked and self._parking.takes(claimed, actions[0].index):
            return True
        if name == "index":
            self._batcher.add((LoneDelivery(actions[0], claimed, enqueued_ms, now, self._endings.settled),))
        else:
            done = partial(self._endings.reported, claimed, name, enqueued_ms)
            self._batcher.add(Delivery(actions, done, bulk=True, claimed=claimed).entries)
        return True

    async def _take(self, claimed: Claimed, unadmitted: list[Unadmitted], *, in_thread: bool) -> None:
        name, enqueued_ms, retry_of = "unknown", 0, None
        if claimed.is_owned:
            self._holding.add(claimed)
        try:
            if claimed.attempt == CRASHER:
                raise Refused(refusal("crashed_workers", _CRASHED))  # noqa: TRY301 - as every other refusal
            call = await _run(in_thread, read_call, claimed.raw, self._job_max_bytes)
            name, enqueued_ms, retry_of = call.name[:100], call.enqueued_ms, call.retried.retry_of
            if not claimed.is_owned:
                unadmitted.append((claimed.id, await _run(in_thread, _documents_of, call)))
                return
            await self._hand_over(claimed, call, in_thread=in_thread)
            return
        except Refused as refused:
            report = refused.report
        except RecursionError:
            report = refusal("invalid_job", "nested too deeply: at most about 950 levels")
        except Exception as error:  # a defect of ours must hurt this job alone
            logger.exception("job %s could not be started", claimed.name)
            report = refusal("internal_error", f"{type(error).__name__}: please report this to Penstock")
        if claimed.is_owned:
            self._endings.reported(claimed, name, enqueued_ms, report, retry_of=retry_of)
        else:  # it is refused when it is claimed
            unadmitted.append((claimed.id, ()))

    async def _hand_over(self, claimed: Claimed, call: Call, *, in_thread: bool) -> None:
        if call.name in WRITES and claimed.attempt < 0:
            self._endings.aborted(claimed, call.name, call.enqueued_ms)
        elif call.name in WRITES:
            delivery = await _run(in_thread, self._delivery, claimed, call)
            if not self._parking.takes(claimed, delivery.entries[0].action.index):
                self._batcher.add(delivery.entries)
        elif call.name in self._functions:
            self._holding.functions.add(claimed.id)
            self.run_function(claimed, call)
        elif (age_ms := time() * 1000 - call.enqueued_ms) < self._park_ms:
            # A worker that knows it may come yet: a deploy in the wrong order loses nothing.
            logger.info("no job is named %r here; %s is parked", call.name[:100], claimed.name)
            pause_ms = min(max(age_ms / 2, _SHORTEST_PARK_MS), _LONGEST_PARK_MS)
            self._postpone(claimed, time() * 1000 + pause_ms)
        else:
            known = ", ".join(sorted({*WRITES, *self._functions}))
            reason = f"no job is named {call.name[:100]!r}; this worker knows {known}"
            raise Refused(refusal("unknown_job", reason))

    def _delivery(self, claimed: Claimed, call: Call) -> Delivery:
        payload, number = read_write(call)
        retried, enqueued_ms = call.retried, None
        done = partial(
            self._endings.reported, claimed, call.name, call.enqueued_ms, retry_of=retried.retry_of
        )
        actions = actions_of(payload, number, call.document_keys)
        if claimed.attempt:
            actions = [action._replace(begun_before=True) for action in actions]
        if retried.keep:
            actions, enqueued_ms = kept(actions, retried.positions), call.enqueued_ms
        bulk = isinstance(payload, BulkWrite)
        return Delivery(actions, done, bulk=bulk, claimed=claimed, enqueued_ms=enqueued_ms)


def _documents_of(call: Call) -> Sequence[str]:
    """The documents that a job writes; none where its payload is wrong: it is refused when it is claimed."""
    try:
        return document_keys(read_payload(call.name, call.arguments)) if call.name in PAYLOADS else ()
    except Refused:
        return ()


async def _run(in_thread: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(work, *args, **kwargs) if in_thread else work(*args, **kwargs)


def _no_function(claimed: Claimed, call: Call) -> None:
    raise AssertionError(f"{call.name}: a session with functions is given a runner")
