"""Small charts as SVG that lies in a page: curves, and bars beside a diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tfzoo.outside import in_page

#: Told apart by those who see no red or green too (Paul Tol's bright scheme).
COLORS = ("#4477aa", "#ee6677", "#228833", "#aa3377")

_WIDTH, _HEIGHT = 380, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 10, 40


def _x(value: float) -> float:
    return _LEFT + value * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    return _TOP + (1 - value) * (_HEIGHT - _TOP - _BOTTOM)


def curves(
    series: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
    along: str,
    up: str,
    mark: float | None = None,
) -> str:
    """Curves within 0 and 1 both ways.

    Args:
        series: Of each its name, and float [N] along and up.
        along: What the horizontal axis is.
        up: What the vertical axis is.
        mark: Where along a line is drawn, or None.
    """
    parts = [_axes(along, up)]
    if mark is not None:
        parts.append(
            f'<line x1="{_x(mark):.1f}" x2="{_x(mark):.1f}" y1="{_y(1):.1f}" y2="{_y(0):.1f}" '
            'stroke="#222" stroke-dasharray="3 3"/>'
        )
    for (_, xs, ys), color in zip(series, COLORS, strict=False):
        points = " ".join(
            f"{_x(x):.1f},{_y(y):.1f}"
            for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
            if not math.isnan(y)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
    key = "".join(
        f'<span style="background:{color}"></span>{in_page(name)}'
        for (name, *_), color in zip(series, COLORS, strict=False)
    )
    return (
        f"<figure>{_svg(''.join(parts), f'{up} by {along}')}"
        f'<figcaption class="key">{key}</figcaption></figure>'
    )


def reliability(
    confidence: NDArray[np.float64], accuracy: NDArray[np.float64], counts: NDArray[np.int64]
) -> str:
    """Accuracy of bins of equal width as bars, with the diagonal where scores mean what they say.

    Args:
        confidence: float [B], mean scores.
        accuracy: float [B], shares that are right.
        counts: int [B], detections.
    """
    parts = [_axes("score", "share that is right")]
    width = 1 / len(counts)
    for place, (score, share, count) in enumerate(
        zip(confidence.tolist(), accuracy.tolist(), counts.tolist(), strict=True)
    ):
        if not count:
            continue
        left, right = _x(place * width) + 0.5, _x((place + 1) * width) - 0.5
        parts.append(
            f'<rect x="{left:.1f}" y="{_y(share):.1f}" width="{right - left:.1f}" '
            f'height="{_y(0) - _y(share):.1f}" fill="{COLORS[0]}"><title>{count} detections, mean '
            f"score {score:.2f}, {share:.2f} right</title></rect>"
        )
    parts.append(
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#222" '
        'stroke-dasharray="3 3"/>'
    )
    return f"<figure>{_svg(''.join(parts), 'share that is right by score')}</figure>"


def _svg(content: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{in_page(title)}">{content}</svg>'
    )


def _axes(along: str, up: str) -> str:
    lines = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        lines += [
            f'<line x1="{_x(tick):.1f}" x2="{_x(tick):.1f}" y1="{_y(0)}" y2="{_y(1)}" '
            'stroke="#eee"/>',
            f'<line x1="{_x(0)}" x2="{_x(1)}" y1="{_y(tick):.1f}" y2="{_y(tick):.1f}" '
            'stroke="#eee"/>',
            f'<text x="{_x(tick):.1f}" y="{_y(0) + 15}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{_x(0) - 5}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>',
        ]
    middle = (_y(0) + _y(1)) / 2
    return (
        "".join(lines)
        + f'<text x="{_x(0.5)}" y="{_HEIGHT - 6}" text-anchor="middle">{in_page(along)}</text>'
        + f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">'
        + f"{in_page(up)}</text>"
    )
