"""When Elasticsearch is warm: its compiler has seen enough documents, and two rounds in a row are alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Measured: below this many documents raw `_bulk` still becomes faster from round to round.
JIT_DOCUMENTS = 300_000
_STEADY = 0.05
_MOST_ROUNDS_AFTER = 10
# A run of very few documents only tries the benchmark out: it need not be warm.
_MOST_ROUNDS_BEFORE = 15


def rounds_before(documents: int) -> int:
    """How many rounds of so many documents come before the first look whether rounds are alike."""
    return min(_MOST_ROUNDS_BEFORE, -(-JIT_DOCUMENTS // documents))


async def warm_up(measure: Callable[[], Awaitable[float]], before: int) -> list[float]:
    """Measure until two rounds in a row differ by less than 5 %, after at least `before`; all rates.

    Bounded: a machine that is never steady gets 10 rounds more, not an endless run.
    """
    rates = [await measure() for _ in range(before)]
    for _ in range(_MOST_ROUNDS_AFTER):
        rates.append(await measure())
        if is_steady(rates):
            break
    return rates


def is_steady(rates: list[float]) -> bool:
    """Whether the last two differ by less than 5 % of the larger one."""
    if len(rates) < 2:
        return False
    last, previous = rates[-1], rates[-2]
    return abs(last - previous) < _STEADY * max(last, previous)
