"""A clock for what is given one."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now
