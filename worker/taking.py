"""Starts claimed jobs: reads each one and hands it to whoever runs it.

1. Plain `index` actions go into the batcher without their documents being built (see plain_index).
2. Other writing jobs are checked, taken apart into actions, and go into the batcher.
3. A `load` is taken apart in the same way where its source is registered, else it waits (see taking_loads).
4. `reindex` and custom functions go to the function runner.
5. What can never succeed ends here with its report.

A job that came by plain arq and writes has no number yet: its documents are named, for it to be admitted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from time import time
from typing import ParamSpec, TypeVar

from jobs.envelope import document_keys
from jobs.models import PAYLOADS, BulkWrite, LoadDocuments
from jobs.report import refusal

from .actions import Action, actions_of, kept
from .answers import Blocked
from .batcher import Batcher
from .claims import ABORTED, CRASHER, Claimed
from .delivery import Delivery, LoneDelivery
from .endings import Endings
from .holding import Holding
from .intake import WRITES, Call, Refused, name_at_a_glance, read_call, read_payload, read_write
from .parking import Parking
from .plain_index import PlainJob, read_plain
from .registry import Source
from .taking_loads import Loads, target_of

logger = logging.getLogger("penstock.session")

# The event loop gets its turn after so many bytes, or so many jobs: about 5 ms of reading.
_BYTES_PER_TURN = 512 * 1024
_JOBS_PER_TURN = 250
# A payload above this is read in a thread: 10 MiB of JSON would stop the event loop for 100 ms.
_LARGE_BYTES = 512 * 1024

# Between two looks at a job whose name this worker does not know.
_SHORTEST_PARK_MS = 1000
_LONGEST_PARK_MS = 30_000
_NO_SOURCE = Blocked("unknown_source", "it waits for a worker that has its source")
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
        sources: Mapping[str, Source],
        job_max_bytes: int,
        park_unknown_seconds: float,
    ) -> None:
        self._batcher, self._holding, self._endings, self._parking = batcher, holding, endings, parking
        self._postpone, self._park_ms = postpone, park_unknown_seconds * 1000
        self._functions, self._job_max_bytes = functions, job_max_bytes
        self._loads = Loads(sources, park_unknown_seconds, time)
        self.run_function: Callable[[Claimed, Call], None] = _no_function

    async def take(self, jobs: Sequence[Claimed]) -> list[Unadmitted]:
        """Start claimed jobs in their order; those that have to be admitted first, with their documents."""
        unadmitted: list[Unadmitted] = []
        size, now = 0, time()
        for number, claimed in enumerate(jobs, 1):
            large, plain = len(claimed.raw) > _LARGE_BYTES, None
            if large and claimed.is_owned:
                self._holding.add(claimed)  # while it is read others may ask what is held
            if claimed.attempt >= 0:  # else it must not be run
                plain = (
                    await asyncio.to_thread(read_plain, claimed.raw, self._job_max_bytes)
                    if large
                    else read_plain(claimed.raw, self._job_max_bytes)
                )
            if plain is None:
                await self._take(claimed, unadmitted, in_thread=large)
            else:
                self._take_plain(claimed, plain, now)
            size += len(claimed.raw)
            if number % _JOBS_PER_TURN == 0 or size > _BYTES_PER_TURN:
                self._batcher.pump(only_full=True)
                await asyncio.sleep(0)
                size, now = 0, time()
        self._batcher.pump()
        self._parking.claim_ended()
        return unadmitted

    def _take_plain(self, claimed: Claimed, plain: PlainJob, now: float) -> None:
        """Hand over a job of plain actions."""
        self._holding.add(claimed)
        name, enqueued_ms, actions = plain
        if claimed.attempt:
            actions = [action._replace(begun_before=True) for action in actions]
        if self._parking.any_blocked and self._parking.takes(claimed, actions):
            return
        if name == "index":
            self._batcher.add((LoneDelivery(actions[0], claimed, enqueued_ms, now, self._endings.settled),))
        else:
            done = partial(self._endings.reported, claimed, name, enqueued_ms)
            answered = self._endings.answered
            self._batcher.add(Delivery(actions, done, bulk=True, answered=answered, claimed=claimed).entries)

    async def _take(self, claimed: Claimed, unadmitted: list[Unadmitted], *, in_thread: bool) -> None:
        name, enqueued_ms, retry_of = "unknown", 0, None
        if claimed.is_owned:
            self._holding.add(claimed)
        try:
            if claimed.attempt == CRASHER:
                name = name_at_a_glance(claimed.raw) or name
                raise Refused(refusal("crashed_workers", _CRASHED))  # noqa: TRY301 - as every other refusal
            call = await _run(in_thread, read_call, claimed.raw, self._job_max_bytes)
            name, enqueued_ms, retry_of = call.name[:100], call.enqueued_ms, call.retried.retry_of
            if not claimed.is_owned:
                documents = await _run(in_thread, self._documents_of, call)
                if documents is None:
                    self._wait_for_a_worker(claimed, call, "source", call.arguments["source"])
                else:
                    unadmitted.append((claimed.id, documents))
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
        if call.name in WRITES and claimed.attempt == ABORTED:
            self._endings.aborted(claimed, call.name, call.enqueued_ms)
        elif call.name in WRITES:
            delivery = await _run(in_thread, self._delivery, claimed, call)
            actions = [entry.action for entry in delivery.entries]
            if not self._parking.takes(claimed, actions):
                self._batcher.add(delivery.entries)
        elif call.name == LoadDocuments.job:
            await self._hand_load_over(claimed, call, in_thread=in_thread)
        elif call.name in self._functions:
            self.run_function(claimed, call)
        elif time() * 1000 - call.enqueued_ms < self._park_ms:
            self._wait_for_a_worker(claimed, call, "job", call.name)
        else:
            known = ", ".join(sorted({*WRITES, LoadDocuments.job, *self._functions}))
            reason = f"no job is named {call.name[:100]!r}; this worker knows {known}"
            raise Refused(refusal("unknown_job", reason))

    async def _hand_load_over(self, claimed: Claimed, call: Call, *, in_thread: bool) -> None:
        if claimed.attempt == ABORTED:
            self._endings.aborted(claimed, call.name, call.enqueued_ms)
            return
        actions = await _run(in_thread, self._loads.actions, call)
        if actions is None:
            # It has its number: jobs behind it on its documents wait for it, wherever it waits itself.
            self._parking.wants_another(target_of(call), claimed, _NO_SOURCE)
        elif not self._parking.takes(claimed, actions):
            self._parking.passed(target_of(call))
            self._batcher.add_loads(self._load(claimed, call, actions).entries)

    def _load(self, claimed: Claimed, call: Call, actions: Sequence[Action]) -> Delivery:
        retry_of, enqueued_ms = call.retried.retry_of, call.enqueued_ms
        done = partial(self._endings.reported, claimed, call.name, enqueued_ms, retry_of=retry_of)
        answered = self._endings.answered
        return Delivery(actions, done, bulk=True, answered=answered, claimed=claimed, enqueued_ms=enqueued_ms)

    def _documents_of(self, call: Call) -> Sequence[str] | None:
        """The documents that a job writes; None where nobody can name them here, and it has to wait.

        None are named where its payload is wrong: it is refused when it is claimed.
        """
        try:
            if call.name == LoadDocuments.job:
                return self._loads.documents(call)
            return document_keys(read_payload(call.name, call.arguments)) if call.name in PAYLOADS else ()
        except Refused:
            return ()

    def _wait_for_a_worker(self, claimed: Claimed, call: Call, what: str, name: str) -> None:
        """One that knows it may come yet: a deploy in the wrong order loses nothing."""
        logger.info("no %s is named %r here; %s is parked", what, name[:100], claimed.name)
        pause_ms = min(max((time() * 1000 - call.enqueued_ms) / 2, _SHORTEST_PARK_MS), _LONGEST_PARK_MS)
        self._postpone(claimed, time() * 1000 + pause_ms)

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
        return Delivery(
            actions,
            done,
            bulk=isinstance(payload, BulkWrite),
            answered=self._endings.answered,
            claimed=claimed,
            enqueued_ms=enqueued_ms,
        )


async def _run(in_thread: bool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(work, *args, **kwargs) if in_thread else work(*args, **kwargs)


def _no_function(claimed: Claimed, call: Call) -> None:
    raise AssertionError(f"{call.name}: a session with functions is given a runner")
