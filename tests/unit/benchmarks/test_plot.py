"""Which pictures come of which run."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.chart import svg
from benchmarks.plot import charts


def run(*keys: str) -> dict[str, Any]:
    rows = [{"key": key, "median": 10.0 + n, "reference_median": 20.0} for n, key in enumerate(keys)]
    return {"rows": rows, "documents": 100, "mean_bytes": 500, "rounds": 3, "machine": {"cores": 2}}


ALL = ("single", "bulk-500", "bulk-10", "bulk-100", "processes-2", "processes-4")
MEMORY: dict[str, Any] = {
    "jobs": 1000,
    "mean_bytes": 500,
    "samples": [[0.0, 50.0], [1.0, 100.0], [2.0, 100.0]],
    "stopped_at": 0.5,
    "started_at": 1.5,
}


def test_a_whole_run_gives_a_picture_by_size_and_one_by_processes() -> None:
    found = charts(run(*ALL), MEMORY)

    assert sorted(found) == ["job-size.svg", "memory.svg", "processes.svg"]
    assert all(svg(chart).startswith("<svg") for chart in found.values())


def test_points_stand_in_the_order_of_the_axis_whatever_the_order_of_the_rows() -> None:
    chart = charts(run(*ALL), None)["job-size.svg"]
    reference, figure = chart.lines

    assert [label for _, label in chart.x_ticks] == ["1", "10", "100", "500"]
    assert figure.points == [(0, 10), (1, 12), (2, 13), (3, 11)]
    assert reference.points == [(0, 20), (1, 20), (2, 20), (3, 20)]


def test_a_run_without_the_rows_gives_no_half_a_picture() -> None:
    assert charts(run("single", "processes-2"), None) == {}


def test_no_run_gives_no_picture() -> None:
    assert charts(None, None) == {}


def test_the_outage_is_a_band() -> None:
    chart = charts(None, MEMORY)["memory.svg"]

    assert chart.band == (0.5, 1.5, "Elasticsearch down")
    assert chart.x_ticks[-1][0] == pytest.approx(2.0)
