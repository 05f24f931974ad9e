"""Writes, and shows the answers to what looks after more than one request. Knows no jobs and no Redis.

What looks on costs a few steps a request, never fails one and never delays one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jobs.outcomes import Outcome

from .actions import Action
from .answers import Answer, Settled
from .batcher import Reply
from .gc_deletes import GcDeletes
from .superseded import SupersededRate
from .writer import BulkWriter

logger = logging.getLogger("penstock.writer")


class WatchedWriter:
    """One per batcher; what looks on is the process's."""

    def __init__(self, writer: BulkWriter, gc_deletes: GcDeletes, superseded: SupersededRate) -> None:
        self._writer, self._gc_deletes, self._superseded = writer, gc_deletes, superseded

    async def write(self, actions: Sequence[Action]) -> Reply:
        """As BulkWriter does it."""
        reply = await self._writer.write(actions)
        try:
            self._look_for_new_indices(actions, reply.answers)
            self._look_for_superseded(reply.answers)
        except Exception:  # the documents are written, whatever is wrong here
            logger.critical("a defect of Penstock: please report it", exc_info=True)
        return reply

    def _look_for_new_indices(self, actions: Sequence[Action], answers: Sequence[Answer]) -> None:
        new = {action.index for action in actions} - self._gc_deletes.known
        if new:  # what was refused may not be there at all
            pairs = zip(actions, answers, strict=True)
            written = {action.index for action, answer in pairs if _is_written(answer)}
            self._gc_deletes.written(sorted(new & written))

    def _look_for_superseded(self, answers: Sequence[Answer]) -> None:
        # The first member of a settled answer is its outcome; to ask each for its class takes four times
        # as long.
        number = [answer[0] for answer in answers].count(Outcome.SUPERSEDED)
        if excess := self._superseded.answered(len(answers), number):
            logger.warning(
                "%d of %d writes of the last %d minutes were superseded: Elasticsearch holds newer versions "
                "of these documents. Was Redis's clock set back, or does another program write them?",
                *excess,
            )


def _is_written(answer: Answer) -> bool:
    return isinstance(answer, Settled) and answer.outcome is not Outcome.REJECTED
