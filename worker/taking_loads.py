"""What a `load` job asks for, on a worker that may or may not have its source. Pure but for the clock.

A worker that has the source names the documents (they need its index) and makes the actions. One that has not
lets the job wait for one that has: a deploy in the wrong order loses nothing. In the end it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jobs.envelope import document_key
from jobs.models import LoadDocuments
from jobs.report import refusal

from .actions import Action, loads_of
from .intake import Call, Refused, read_load, read_payload
from .registry import Source


class Loads:
    """See the module. `clock` gives seconds since 1970."""

    def __init__(
        self, sources: Mapping[str, Source], wait_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._sources, self._wait_seconds, self._clock = sources, wait_seconds, clock

    def documents(self, call: Call) -> Sequence[str] | None:
        """The keys of the documents of a job that is to be admitted; None where it has to wait.

        None are named where it has waited long enough: it is refused when it is claimed. Raises Refused.
        """
        payload = read_payload(call.name, call.arguments)
        assert isinstance(payload, LoadDocuments), call.name
        source = self._sources.get(payload.source)
        if source is None:
            return None if self._may_wait(call) else ()
        return _keys(payload, source)

    def actions(self, call: Call) -> list[Action] | None:
        """The actions of a claimed job; None where it has to wait. Raises Refused."""
        payload, number = read_load(call)
        source = self._sources.get(payload.source)
        if source is not None and tuple(_keys(payload, source)) == call.document_keys:
            return loads_of(payload, source.index, number, call.document_keys)
        # Of another index where it was admitted: what runs under the keys of that one must write there too.
        if call.document_keys and self._may_wait(call):
            return None
        known = ", ".join(sorted(self._sources)) or "none"
        reason = f"no worker had a source {payload.source!r} to read it from; this one knows {known}"
        raise Refused(refusal("unknown_source", reason))

    def _may_wait(self, call: Call) -> bool:
        return self._clock() - call.enqueued_ms / 1000 < self._wait_seconds


def target_of(call: Call) -> str:
    """The name under which jobs wait aside for a worker that has their source: see Parking."""
    return f"source:{call.arguments['source']}"


def _keys(payload: LoadDocuments, source: Source) -> list[str]:
    return [document_key(source.index, id) for id in payload.ids]
