"""An age as a person writes it on the command line: ``90s``, ``30m``, ``12h``, ``7d``. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"([0-9]{1,6})([smhd])")


def duration(text: str) -> timedelta:
    """The age. Raises ValueError, which names the text."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a whole number and one of s, m, h, d, such as 12h or 7d, got {text!r}")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
