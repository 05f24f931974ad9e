"""What the demo shows: numbered steps, progress bars, panels and tables; plain lines where no terminal is.

It knows nothing of jobs, Redis or Elasticsearch.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_WIDTH = 110
PLAIN_LINE_EVERY_SECONDS = 2.0

Advance = Callable[[int], None]


class Screen:
    """Writes to standard output; `steps` is how many `step` calls are to come."""

    def __init__(self, steps: int) -> None:
        self._console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)
        self._steps = steps
        self._step = 0

    def step(self, text: str) -> None:
        self._step += 1
        self._console.print(f"[bold]{self._step}/{self._steps}[/bold] {escape(text)}")

    def say(self, text: str) -> None:
        self._console.print(f"    {escape(text)}")

    def show(self, what: RenderableType) -> None:
        self._console.print(what)

    def fail(self, title: str, text: str) -> None:
        self._console.print(Panel(escape(text), title=escape(title), border_style="red"))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """Gives a function to call with the number done so far, of `total`."""
        if not self._console.is_terminal:
            yield self._plain_progress(what, total)
            return
        columns = (
            TextColumn("    {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)

    def _plain_progress(self, what: str, total: int) -> Advance:
        """A line at the end and one every two seconds until then: a log has no use for more."""
        next_line_at = time.monotonic() + PLAIN_LINE_EVERY_SECONDS
        said = -1

        def advance(done: int) -> None:
            nonlocal next_line_at, said
            due = done >= total or time.monotonic() >= next_line_at
            if due and done != said:
                self.say(f"{what}: {done:,} of {total:,}")
                next_line_at, said = time.monotonic() + PLAIN_LINE_EVERY_SECONDS, done

        return advance
