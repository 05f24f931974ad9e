"""A process's resident memory: sampled over time, and what the samples say. MB are 10^6 bytes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MEGABYTE = 1e6
Sample = tuple[float, float]

_SAMPLE_SECONDS = 0.25
# The first seconds fill caches, and the worker up to the marks at which it claims no more.
SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class Flatness:
    """The highest and the median sample after the first 10 s, in MB."""

    highest: float
    median: float

    @property
    def ratio(self) -> float:
        """1 is perfectly flat."""
        return self.highest / self.median


def flatness(samples: Sequence[Sample]) -> Flatness:
    """Of samples (seconds, MB). Where all are from the first 10 s, of all of them."""
    settled = [size for seconds, size in samples if seconds >= SETTLE_SECONDS]
    sizes = settled or [size for _, size in samples]
    return Flatness(max(sizes), statistics.median(sizes))


def peak(pid: int) -> float | None:
    """The kernel's own high-water mark in MB, which no sample can miss; None where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return None
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / MEGABYTE


async def sample(pid: int, since: float, samples: list[Sample]) -> None:
    """Add a sample four times a second, until cancelled."""
    process = psutil.Process(pid)
    while True:
        samples.append((time.monotonic() - since, process.memory_info().rss / MEGABYTE))
        await asyncio.sleep(_SAMPLE_SECONDS)
