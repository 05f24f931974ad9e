"""`penstock worker`, killed by the very reading of one document, as a parser's fault would kill it.

Run as `python -m tests.faults.deadly_document worker`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import worker.taking
from penstock import main

DEADLY = "x-kills-its-reader-x"


def _deadly(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_or_die(raw: bytes, *others: Any) -> Any:
        if DEADLY.encode() in raw:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(raw, *others)

    return read_or_die


if __name__ == "__main__":
    worker.taking.read_plain = _deadly(worker.taking.read_plain)
    worker.taking.read_call = _deadly(worker.taking.read_call)
    main()
