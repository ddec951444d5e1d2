"""Which model to take: the Pareto choices within a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tfzoo.errors import NothingQualifiesError, UsageError
from tfzoo.report.points import METRICS, Metric, Point, pareto_front


def recommend(
    points: Sequence[Point],
    *,
    metric: Metric = "box",
    min_map: float | None = None,
    max_latency_ms: float | None = None,
) -> list[Point]:
    """The models within a budget that no other model beats, most accurate first.

    Args:
        points: The models to choose from, such as `tfzoo.report.points.reported_points`; one whose
            speed is not comparable is never recommended.
        metric: mAP of `box`, `keypoint` or `mask`.
        min_map: mAP in percent to reach at least.
        max_latency_ms: Milliseconds an image may take at most.

    Raises:
        NothingQualifiesError: No model keeps within the budget; names what comes nearest.
    """
    if metric not in METRICS:
        raise UsageError(f"no mAP is called '{metric}'; there are {', '.join(METRICS)}")
    # A budget cuts the front, it never adds to it: what beats a model within it is within it too.
    front = pareto_front(points, metric)[::-1]
    kept = [
        point
        for point in front
        if (min_map is None or _accuracy(point, metric) >= min_map)
        and (max_latency_ms is None or _latency_ms(point) <= max_latency_ms)
    ]
    if kept:
        return kept
    raise NothingQualifiesError(_nearest(front, metric, min_map, max_latency_ms))


def _accuracy(point: Point, metric: Metric) -> float:
    accuracy = point.accuracy(metric)
    assert accuracy is not None  # The front has none without.
    return accuracy


def _latency_ms(point: Point) -> float:
    assert point.latency_ms is not None
    return point.latency_ms


def _nearest(
    front: Sequence[Point], metric: Metric, min_map: float | None, max_latency_ms: float | None
) -> str:
    if not front:
        return f"no model here has both a {metric} mAP and a speed to choose by"
    asked = []
    if min_map is not None:
        asked.append(f"reaches {min_map:g} {metric} mAP")
    if max_latency_ms is not None:
        asked.append(f"takes at most {max_latency_ms:g} ms an image")
    accurate = [p for p in front if min_map is None or _accuracy(p, metric) >= min_map]
    fast = [p for p in front if max_latency_ms is None or _latency_ms(p) <= max_latency_ms]
    # Most accurate first, so the front's first fast and last accurate model come nearest.
    nearest = [*accurate[-1:], *fast[:1]] or [front[0], front[-1]]
    listed = "\n".join(
        f"  {point.name}: {_accuracy(point, metric):g} mAP, {_told_latency(point)}"
        for point in dict.fromkeys(nearest)
    )
    return f"no model {' and '.join(asked)}. Nearest:\n{listed}"


def _told_latency(point: Point) -> str:
    if point.latency_interval is None:
        return f"{_latency_ms(point):g} ms"
    low_ms, high_ms = point.latency_interval
    return f"{_latency_ms(point):.3g} ms (forecast, {low_ms:.3g} to {high_ms:.3g} ms)"


def parse_latency_ms(text: str) -> float:
    """Milliseconds of `50ms`, `0.05s` or `50`.

    Raises:
        UsageError: It is no positive length of time.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s)?\s*", text)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"latency '{text}': expected a time such as 50ms or 0.05s")
    return float(match[1]) * (1000 if match[2] == "s" else 1)
