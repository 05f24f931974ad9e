"""The pictures: well-formed, to scale, and safe with any text."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.chart import Chart, Line, apart, svg, ticks

SVG = "{http://www.w3.org/2000/svg}"

CHART = Chart(
    title="Throughput",
    note="of documents",
    x_title="documents in a job",
    y_title="documents a second",
    x_ticks=[(0, "1"), (1, "10"), (2, "100")],
    lines=[
        Line("raw _bulk", [(0, 1000), (1, 1000), (2, 1000)], is_reference=True),
        Line("Penstock", [(0, 0), (1, 500), (2, 1000)]),
    ],
)


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart))


def circles(picture: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in picture.iter(f"{SVG}circle")]


def words(picture: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in picture.iter(f"{SVG}text")]


def test_points_are_to_scale() -> None:
    (x0, y0), (x1, y1), (x2, y2) = circles(drawn(CHART))

    assert x1 - x0 == pytest.approx(x2 - x1)
    # Up the page is down in SVG; twice the value is twice the height above zero.
    assert y0 - y2 == pytest.approx(2 * (y0 - y1), abs=0.2)


def test_everything_is_named() -> None:
    shown = words(drawn(CHART))

    for word in (
        "Throughput",
        "of documents",
        "documents in a job",
        "documents a second",
        "raw _bulk",
        "Penstock",
    ):
        assert word in shown
    assert [word for word in shown if word in {"1", "10", "100"}] == ["1", "10", "100"]
    assert "1,000" in shown


def test_a_reference_is_dashed_and_has_no_dots() -> None:
    reference, figure = drawn(CHART).iter(f"{SVG}polyline")

    assert "stroke-dasharray" in reference.attrib
    assert "stroke-dasharray" not in figure.attrib
    assert len(circles(drawn(CHART))) == 3


def test_a_line_of_many_points_has_no_dots() -> None:
    line = Line("worker", [(float(x), 100.0) for x in range(100)], dots=False)

    assert circles(drawn(dataclasses.replace(CHART, lines=[line]))) == []


def test_a_band_covers_its_part_of_the_x_axis() -> None:
    picture = drawn(dataclasses.replace(CHART, band=(0.0, 1.0, "down")))
    _, band = picture.iter(f"{SVG}rect")
    (left, _), (right, _), _ = circles(picture)

    assert float(band.attrib["x"]) == pytest.approx(left)
    assert float(band.attrib["width"]) == pytest.approx(right - left, abs=0.1)
    assert "down" in words(picture)


def test_text_cannot_break_the_picture() -> None:
    hostile = '<script>&"'

    assert hostile in words(drawn(dataclasses.replace(CHART, title=hostile)))


def test_nothing_is_drawn_outside_the_picture() -> None:
    picture = drawn(CHART)
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    numbers = re.findall(
        r"([\d.-]+),([\d.-]+)", " ".join(e.attrib["points"] for e in picture.iter(f"{SVG}polyline"))
    )

    assert len(numbers) == 6
    assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in numbers)


def test_a_chart_without_points_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="'Throughput'"):
        svg(dataclasses.replace(CHART, lines=[Line("Penstock", [])]))


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (13_560, [0, 5_000, 10_000, 15_000]),
        (10, [0, 2, 4, 6, 8, 10]),
        (184, [0, 50, 100, 150, 200]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, [0, 1]),
    ],
)
def test_ticks_are_round_and_reach_the_highest(highest: float, expected: list[float]) -> None:
    assert ticks(highest) == pytest.approx(expected)


def test_names_that_would_lie_on_one_another_are_moved_apart() -> None:
    assert apart([100, 300, 105], 16) == [100, 300, 116]
    assert apart([300, 100], 16) == [300, 100]
