"""What SIGTERM and SIGINT do to a worker process while it has no event loop to tell: it ends at once.

Before the loop nothing is claimed and nothing is open, after it nothing is left to do: in both the process
is where a stop would lead it. Imports nothing of Penstock: the command calls this before all its imports,
which take most of a worker's first second.
"""

from __future__ import annotations

import atexit
import os
import signal

STOPPING = (signal.SIGINT, signal.SIGTERM)


def end_at_once(code: int) -> None:
    """From now on a stop signal ends this process with `code`."""
    for signum in STOPPING:
        # Not sys.exit: raised in the middle of an import or of a clean-up it may be caught there.
        signal.signal(signum, lambda *_: os._exit(code))


def ignore_during_exit() -> None:
    """Have stop signals ignored from the last of Python's exit functions on.

    While it takes its modules down Python gives every signal with a handler its default back, and a signal
    that comes then would replace the exit code by its own. One that is ignored stays so. Called before other
    exit functions are registered, this is the last one: those, and threads that hang, can still be stopped.
    """
    atexit.register(_ignore)


def _ignore() -> None:
    for signum in STOPPING:
        signal.signal(signum, signal.SIG_IGN)
