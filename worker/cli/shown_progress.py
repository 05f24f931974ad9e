"""How far a command is: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_LINE_EVERY_SECONDS = 5.0


class ShownProgress:
    """A context manager. `at` says how much of what there is; `total` None where nobody knows."""

    def __init__(self, console: Console, *, wanted: bool, now: Callable[[], float] = monotonic) -> None:
        self._console, self._wanted, self._now = console, wanted, now
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (wanted and console.is_terminal),
        )
        self._task = self._bar.add_task("", total=None)
        self._told_at = now()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def at(self, done: int, total: int | None, text: str) -> None:
        """Show how far it is; `text` says it in words."""
        self._bar.update(self._task, completed=done, total=total, description=text)
        if self._bar.disable and self._wanted and self._now() >= self._told_at + _LINE_EVERY_SECONDS:
            self.say(text)

    def say(self, text: str) -> None:
        """A line of its own, above the bar."""
        self._told_at = self._now()
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
