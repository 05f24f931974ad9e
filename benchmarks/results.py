"""The JSON file of a run: every round, the medians, and on what it was measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .place import Place
from .reading import Measured, Reading, median_microseconds

RESULTS = Path(__file__).with_name("results")
FIGURES_FILE = RESULTS / "latest.json"
MEMORY_FILE = RESULTS / "memory.json"
_PACKAGES = ("arq", "elasticsearch", "redis", "orjson")


async def machine(place: Place) -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine."""
    redis = await place.redis.info("server")
    nodes = await place.elasticsearch.nodes.info(metric="jvm", filter_path="nodes.*.version")
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "redis": redis.get("valkey_version") or redis["redis_version"],
        "elasticsearch": sorted({node["version"] for node in nodes["nodes"].values()}),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def row_as_json(row: Measured) -> dict[str, Any]:
    """One row: its title, medians, ratio, all rounds, and processor time in µs per unit by role."""
    return asdict(row.title) | {
        "ratio": row.ratio,
        "reached": row.reached,
        "median": row.median,
        "reference_median": row.reference_median,
        "values": _values(row.readings),
        "reference_values": _values(row.references),
        "microseconds": median_microseconds(row.readings),
        "reference_microseconds": median_microseconds(row.references),
    }


def _values(readings: Sequence[Reading]) -> list[float]:
    return [reading.value for reading in readings]


def write(path: Path, content: dict[str, Any]) -> None:
    """Write it, and the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
