"""Final answers on their way to the owners of entries. Knows no network; never raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from jobs.outcomes import Outcome

from .answers import Settled
from .entry import Entry
from .lanes import Lanes

logger = logging.getLogger("penstock.batcher")

_OVERTAKEN = Settled(Outcome.SUPERSEDED)


def settle(lanes: Lanes, entry: Entry, settled: Settled, batch_id: str) -> int:
    """Let go of an entry and say so; how many others it has overtaken."""
    overtaken = lanes.settle(entry, settled.outcome)
    tell_overtaken(overtaken, settled, batch_id)
    tell(entry, settled, batch_id)
    return len(overtaken)


def tell_overtaken(entries: Sequence[Entry], settled: Settled, batch_id: str) -> None:
    """Tell those that were kept back for another one, which has this answer: see Lanes.settle."""
    told = settled if settled.outcome is Outcome.REJECTED else _OVERTAKEN
    for entry in entries:
        tell(entry, told, batch_id)


def tell(entry: Entry, settled: Settled, batch_id: str) -> None:
    """Tell the owner of an entry."""
    try:
        entry.owner.settled(entry, settled, batch_id)
    except Exception:  # the other entries of the batch have their answers all the same
        logger.critical("a defect of Penstock: please report it", exc_info=True)
