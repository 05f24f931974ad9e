"""``python -m benchmarks.plot``: the pictures of docs/figures, from the JSON files of the last runs.

A picture whose rows are not in the file (a run with `--only`) or whose file is not there stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .chart import Chart, Line, svg, ticks
from .results import FIGURES_FILE, MEMORY_FILE

FOLDER = Path(__file__).parents[1] / "docs" / "figures"

# What a point's label on the x axis is, and the key of its row.
SIZES = (("1", "single"), ("10", "bulk-10"), ("100", "bulk-100"), ("500", "bulk-500"))
PROCESSES = (("1", "single"), ("2", "processes-2"), ("4", "processes-4"))


def throughput_chart(
    run: Mapping[str, Any], points: Sequence[tuple[str, str]], *, title: str, x_title: str
) -> Chart | None:
    """Documents a second beside raw `_bulk` measured in turn with them; None where a row is missing."""
    rows = {row["key"]: row for row in run["rows"]}
    if any(key not in rows for _, key in points):
        return None
    found = [rows[key] for _, key in points]
    return Chart(
        title=title,
        note=_note(run),
        x_title=x_title,
        y_title="documents a second",
        x_ticks=[(float(x), label) for x, (label, _) in enumerate(points)],
        lines=[
            Line("raw _bulk", _numbered([row["reference_median"] for row in found]), is_reference=True),
            Line("Penstock", _numbered([row["median"] for row in found])),
        ],
    )


def _numbered(values: Sequence[float]) -> list[tuple[float, float]]:
    return [(float(x), value) for x, value in enumerate(values)]


def _note(run: Mapping[str, Any]) -> str:
    size, cores = run["mean_bytes"], run["machine"]["cores"]
    return (
        f"{run['documents']:,} documents of {size} bytes, median of {run['rounds']}, "
        f"{cores} cores shared by everything"
    )


def memory_chart(run: Mapping[str, Any]) -> Chart:
    """The worker's resident memory over time, with the outage."""
    samples = [(float(seconds), float(megabytes)) for seconds, megabytes in run["samples"]]
    return Chart(
        title="Memory of one worker process",
        note=f"{run['jobs']:,} queued single-document jobs, documents of {run['mean_bytes']} bytes",
        x_title="seconds since the worker started",
        y_title="resident MB",
        x_ticks=[(x, f"{x:g}") for x in ticks(max(seconds for seconds, _ in samples))],
        lines=[Line("worker", samples, dots=False)],
        band=(run["stopped_at"], run["started_at"], "Elasticsearch down"),
    )


def charts(figures: Mapping[str, Any] | None, memory: Mapping[str, Any] | None) -> dict[str, Chart]:
    """File names and their pictures, as far as there are data."""
    found: dict[str, Chart | None] = {}
    if figures is not None:
        by_size = throughput_chart(
            figures, SIZES, title="Throughput by size of a job, one process", x_title="documents in a job"
        )
        by_processes = throughput_chart(
            figures,
            PROCESSES,
            title="Throughput of single-document jobs by worker processes",
            x_title="worker processes",
        )
        found |= {"job-size.svg": by_size, "processes.svg": by_processes}
    if memory is not None:
        found["memory.svg"] = memory_chart(memory)
    return {name: chart for name, chart in found.items() if chart is not None}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__.split("\n")[0])
    parser.add_argument("--figures", type=Path, default=FIGURES_FILE, help="the JSON file of `make bench`")
    parser.add_argument("--memory", type=Path, default=MEMORY_FILE, help="the one of `make bench-memory`")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    options = parser.parse_args()
    drawn = charts(_read(options.figures), _read(options.memory))
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, chart in drawn.items():
        (options.folder / name).write_text(svg(chart), encoding="utf-8")
        print(options.folder / name)
    return 0 if drawn else 1


if __name__ == "__main__":
    sys.exit(main())
