"""What the tests of the batcher share: the types of their fixtures, and how entries are put in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from worker.actions import Action
from worker.batcher import Batcher

MakeAction = Callable[..., Action]
MakeBatcher = Callable[..., Batcher]
Turns = Callable[[], Awaitable[None]]


def put(batcher: Batcher, owned: Any, *actions: Action) -> None:
    """Hand actions in and have sent what is ready."""
    batcher.add(owned.entries(*actions))
    batcher.pump()
