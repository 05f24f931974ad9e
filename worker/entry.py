"""One action on its way through the batcher, with what has happened to it so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .actions import Action
from .answers import Settled


class Owner(Protocol):
    """Whoever handed the action in, and wants to know what became of it."""

    def settled(self, entry: Entry, settled: Settled, batch: str) -> None:
        """Called once for each entry, inside the event loop; must not block or raise."""


class Entry:
    """An action, its place in its job, and its attempts. Mutable: the batcher's bookkeeping."""

    __slots__ = ("action", "attempts", "fails_alone", "owner", "parkable", "position", "siblings", "troubles")

    def __init__(self, action: Action, owner: Owner, position: int, *, parkable: bool = True) -> None:
        self.action = action
        self.parkable = parkable
        """Whether its job can be given back: nothing else of it is written or under way."""
        self.siblings: Sequence[Entry] = ()
        """All entries of its job, itself too, where it can only be given back together with them."""
        self.owner = owner
        self.position = position
        self.attempts = 0
        """Requests that carried it."""
        self.troubles = 0
        """Troubles in a row, for the backoff."""
        self.fails_alone = False
        """Whether a request with nothing else in it was answered with 500: it travels alone from then on."""
