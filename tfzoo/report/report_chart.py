"""The report's chart: accuracy against latency with their intervals, drawn without JavaScript.

Places are percentages of a width that the page chooses: one drawing fits a phone and a desk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfzoo.outside import in_page
from tfzoo.report.chart_rows import FAMILIES, OTHER
from tfzoo.report.identities import WHOLE
from tfzoo.report.lines import METRICS, Line
from tfzoo.zoo.schema import Metric

#: How much of an axis stays free at each end, as a part of it.
_MARGIN = 0.06
#: The least span of each axis: points of mAP, and a factor of latency.
_LEAST_POINTS, _LEAST_FACTOR = 4.0, 10.0
#: With more dots a phone has no room for their numbers.
_MANY = 15
#: Steps between marks on an axis, times a power of ten.
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class _Axis:
    """From values to places, in percent of the width or height."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float], least: float) -> _Axis:
        """One that shows some values, and spans so much at least."""
        low, high = min(values), max(values)
        span = max(high - low, least)
        middle, half = (low + high) / 2, span * (0.5 + _MARGIN)
        return cls(middle - half, middle + half)

    def place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True)
class _Dot:
    """A row in the chart: its latency in ms and its mAP in percent, each with its interval."""

    number: int
    row: Line
    ms: float
    slow_ms: float
    ap: float
    low: float
    high: float
    whole: bool


def draw_charts(rows: Sequence[Line], attributes: Callable[[Line], str]) -> str:
    """A chart for each kind of mAP that any row has beside a time, as HTML.

    Args:
        rows: Of the report; each is drawn by its number.
        attributes: A row's attributes, by which menus choose.
    """
    drawn = []
    for _, metric in METRICS:
        dots = [dot for i, row in enumerate(rows, 1) if (dot := _dot(i, row, metric)) is not None]
        if dots:
            drawn.append(_chart(dots, f"{metric.removesuffix('_map')} mAP", attributes))
    return "\n".join(drawn) or "<p>No row has both a mAP and a time.</p>"


def _dot(number: int, row: Line, metric: Metric) -> _Dot | None:
    ap, ms = row[f"{metric}_measured"], row["speed_p50_ms"] or row["speed_measured_ms"]
    if ap is None or ms is None:
        return None
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return _Dot(
        number,
        row,
        ms,
        max(ms, row["speed_p95_ms"] or ms),
        ap,
        ap if low is None else low,
        ap if high is None else high,
        row[f"{metric}_image_set"] in WHOLE,
    )


def _chart(dots: Sequence[_Dot], title: str, attributes: Callable[[Line], str]) -> str:
    times = [math.log10(ms) for dot in dots for ms in (dot.ms, dot.slow_ms)]
    across = _Axis.around(times, math.log10(_LEAST_FACTOR))
    up = _Axis.around([ap for dot in dots for ap in (dot.low, dot.ap, dot.high)], _LEAST_POINTS)
    many = ' class="many"' if len(dots) > _MANY else ""
    drawn = [_up_mark(tick, up) for tick in _ticks(up)]
    drawn += [_across_mark(ms, across) for ms in _log_ticks(across)]
    drawn += [_mark(dot, across, up, attributes(dot.row)) for dot in dots]
    return (
        f"<figure{many}><figcaption><b>{title}, %</b>, against milliseconds an image (logarithmic; "
        f"faster is to the left)</figcaption>{_legend(dots)}"
        f'<div class="plot"><svg width="100%" height="100%" role="img" aria-label="{title} against '
        f'latency">{"".join(drawn)}</svg></div></figure>'
    )


def _ticks(axis: _Axis) -> list[float]:
    """Round values on an axis, four to ten of them."""
    span = axis.high - axis.low
    power = 10 ** math.floor(math.log10(span / 4))
    step = max(one * power for one in _STEPS if one * power <= span / 4)
    first, last = math.ceil(axis.low / step), math.floor(axis.high / step)
    return [round(step * i, 6) for i in range(first, last + 1) if step * i >= 0]


def _log_ticks(axis: _Axis) -> list[float]:
    """Milliseconds on a logarithmic axis: of 1, 2, 5, 10, ... those that it shows."""
    powers = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    ticks = [one * 10.0**power for power in powers for one in _STEPS]
    return [tick for tick in ticks if axis.low <= math.log10(tick) <= axis.high]


def _up_mark(tick: float, up: _Axis) -> str:
    y = 100 - up.place(tick)
    return (
        f'<line class="grid" x1="0" x2="100%" y1="{y:g}%" y2="{y:g}%"/>'
        f'<text x="0" dx="-6" y="{y:g}%" dy="4" text-anchor="end">{tick:g}</text>'
    )


def _across_mark(ms: float, across: _Axis) -> str:
    x = across.place(math.log10(ms))
    return (
        f'<line class="grid" x1="{x}%" x2="{x}%" y1="0" y2="100%"/>'
        f'<text x="{x}%" y="100%" dy="18" text-anchor="middle">{ms:g}</text>'
    )


def _mark(dot: _Dot, across: _Axis, up: _Axis, attributes: str) -> str:
    x, slow = (across.place(math.log10(ms)) for ms in (dot.ms, dot.slow_ms))
    y, low, high = (round(100 - up.place(ap), 2) for ap in (dot.ap, dot.low, dot.high))
    colour = _family(dot.row)[1]
    fill = colour if dot.whole else "white"
    title = (
        f"{', '.join([dot.row['name'], *dot.row['choices'].values()])}: {dot.ap:.1f} % "
        f"[{dot.low:.1f}, {dot.high:.1f}], {dot.ms:.1f} ms (p95 {dot.slow_ms:.1f})"
    )
    return (
        f'<g class="dot" stroke="{colour}" {attributes}><title>{in_page(title)}</title>'
        f'<line x1="{x}%" x2="{x}%" y1="{low}%" y2="{high}%"/>'
        f'<line x1="{x}%" x2="{slow}%" y1="{y}%" y2="{y}%"/>'
        f'<a href="#row-{dot.number}"><circle cx="{x}%" cy="{y}%" r="5" fill="{fill}"/>'
        f'<text x="{x}%" y="{y}%" dx="8" dy="-6" stroke="none">{dot.number}</text></a></g>'
    )


def _legend(dots: Sequence[_Dot]) -> str:
    families = dict.fromkeys(_family(dot.row) for dot in dots)
    shown = [f'<li><i style="background:{colour}"></i>{name}</li>' for name, colour in families]
    if not all(dot.whole for dot in dots):
        shown.append('<li><i class="hollow"></i>other images than the reported figures are of</li>')
    return f'<ul class="legend">{"".join(shown)}</ul>'


def _family(row: Line) -> tuple[str, str]:
    return FAMILIES.get(row["family"] or "", OTHER)
