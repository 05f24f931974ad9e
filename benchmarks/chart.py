"""A line chart as SVG text: pure, no library. Points, dashed references, a scale from zero, one band."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 130, 70, 60
_INK, _FAINT, _REFERENCE, _BAND = "#24292f", "#d0d7de", "#57606a", "#fff1e5"
_COLOURS = ("#0969da", "#8250df", "#1a7f37", "#bc4c00")
_ABOUT_TICKS = 5
_NAME_HEIGHT = 16.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A series. A reference is dashed and has no dots; `dots` off suits many points."""

    name: str
    points: Sequence[Point]
    is_reference: bool = False
    dots: bool = True


@dataclass(frozen=True)
class Chart:
    """What is drawn. `x_ticks` are positions and their labels; the y scale begins at zero."""

    title: str
    note: str
    x_title: str
    y_title: str
    x_ticks: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    band: tuple[float, float, str] | None = None


@dataclass(frozen=True)
class _Scale:
    """From values to places in the picture."""

    x_low: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        span = (self.x_high - self.x_low) or 1.0
        return _LEFT + (value - self.x_low) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.y_high * (_HEIGHT - _TOP - _BOTTOM)


def ticks(highest: float) -> list[float]:
    """About five round numbers from zero to at least the highest value: steps of 1, 2, 2.5 or 5 times 10ⁿ."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / _ABOUT_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def svg(chart: Chart) -> str:
    """The picture. Raises ValueError where there is nothing to draw."""
    points = [point for line in chart.lines for point in line.points]
    if not points:
        raise ValueError(f"expected points for the chart {chart.title!r}, got none")
    y_ticks = ticks(max(y for _, y in points))
    places = [x for x, _ in points] + [x for x, _ in chart.x_ticks]
    scale = _Scale(min(places), max(places), y_ticks[-1])
    parts = [
        *_head(chart),
        *_band(chart, scale),
        *_axes(chart, scale, y_ticks),
        *(part for number, line in enumerate(chart.lines) for part in _line(line, number, scale)),
        *_names(chart, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _head(chart: Chart) -> list[str]:
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="13">',
        f"<title>{escape(chart.title)}</title>",
        # Painted, since a page behind it may be dark.
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 26, chart.title, size=17),
        _text(_LEFT, 47, chart.note, colour=_REFERENCE),
    ]


def _band(chart: Chart, scale: _Scale) -> list[str]:
    if chart.band is None:
        return []
    start, end, label = chart.band
    left, right = scale.x(start), scale.x(end)
    height = _HEIGHT - _TOP - _BOTTOM
    return [
        f'<rect x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{height}" fill="{_BAND}"/>',
        _text((left + right) / 2, _TOP + 16, label, anchor="middle"),
    ]


def _axes(chart: Chart, scale: _Scale, y_ticks: Sequence[float]) -> list[str]:
    right, bottom, middle = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts = []
    for value in y_ticks:
        y = scale.y(value)
        colour = _FAINT if value else _INK
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{colour}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{value:,g}" if value < 1e6 else f"{value:,.0f}", anchor="end"))
    parts += [_text(scale.x(x), bottom + 20, label, anchor="middle") for x, label in chart.x_ticks]
    parts.append(_text((_LEFT + right) / 2, bottom + 44, chart.x_title, anchor="middle"))
    turned = f'transform="rotate(-90 18 {middle:.1f})"'
    parts.append(_text(18, middle, chart.y_title, anchor="middle", more=turned))
    return parts


def _colour(line: Line, number: int) -> str:
    return _REFERENCE if line.is_reference else _COLOURS[number % len(_COLOURS)]


def _line(line: Line, number: int, scale: _Scale) -> list[str]:
    colour = _colour(line, number)
    places = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = ' stroke-dasharray="6 5"' if line.is_reference else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>']
    if line.dots and not line.is_reference:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
    return parts


def _names(chart: Chart, scale: _Scale) -> list[str]:
    """Each line's name where it ends; moved apart where two lines end close together."""
    ends = [scale.y(line.points[-1][1]) for line in chart.lines]
    return [
        _text(scale.x(line.points[-1][0]) + 10, y + 4, line.name, colour=_colour(line, number))
        for number, (line, y) in enumerate(zip(chart.lines, apart(ends, _NAME_HEIGHT), strict=True))
    ]


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The places in their order, later ones moved on so that no two are closer than the gap."""
    moved = list(places)
    order = sorted(range(len(places)), key=places.__getitem__)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    colour: str = _INK,
    size: int | None = None,
    more: str = "",
) -> str:
    sized = f' font-size="{size}"' if size else ""
    extra = f" {more}" if more else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}{sized}{extra}>{escape(text)}</text>"
