"""What a reader of the chart can change, and what follows from it inside the specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from tfzoo.report.points import METRICS

#: The blog prints FPS with two decimals, and 12.5 may be rounded either way.
HALF_PRINTED_DIGIT = 0.00501


def top_latency(rows: Sequence[dict[str, Any]]) -> int:
    """The slider's end, a round number past the slowest model, in milliseconds."""
    slowest = max(
        (
            value
            for row in rows
            for key, value in row.items()
            if key.endswith("_latency_ms") and value is not None
        ),
        default=0.0,
    )
    step = 10 if slowest < 1000 else 100
    return int(slowest // step + 1) * step


def parameters(rows: Sequence[dict[str, Any]], **start: Any) -> list[Any]:
    """The menus, the switch and the sliders.

    Args:
        rows: What is drawn: a slider ends past it, a menu chooses among what it has.
        start: The state they begin in, by the names of `build_chart`'s arguments.
    """
    top = top_latency(rows)

    def choice(name: str, title: str, options: Sequence[str], labels: Sequence[str]) -> Any:
        menu = alt.binding_select(options=list(options), labels=list(labels), name=title)
        return alt.param(name=name, value=start[key_of[name]], bind=menu)

    key_of = {
        "accuracy": "metric",
        "speed": "speed",
        "accuracy_from": "accuracy_from",
        "speed_from": "speed_from",
    }
    chosen = [
        choice("accuracy", "Accuracy", METRICS, [f"{metric} mAP" for metric in METRICS]),
        choice("speed", "Speed", ["fps", "latency"], ["FPS", "latency"]),
    ]
    # A menu with one choice is none: an axis that nothing was measured on has no menu.
    origins = (
        ("accuracy_from", "Accuracy figures", [f"measured_{metric}" for metric in METRICS]),
        ("speed_from", "Speed figures", ["measured_fps"]),
    )
    for name, title, columns in origins:
        if any(row.get(column) is not None for row in rows for column in columns):
            choices = ["reported", "measured"]
            chosen.append(choice(name, title, choices, choices))
        else:
            chosen.append(alt.param(name=name, value="reported"))
    return [
        *chosen,
        alt.param(
            name="as_printed",
            value=start["as_printed"],
            bind=alt.binding_checkbox(name="As the blog printed them"),
        ),
        alt.param(
            name="max_latency_ms",
            value=top,
            bind=alt.binding_range(min=1, max=top, step=1, name="Latency at most, ms"),
        ),
        alt.param(
            name="min_map",
            value=0,
            bind=alt.binding_range(min=0, max=70, step=0.5, name="mAP at least, %"),
        ),
    ]


def transforms() -> list[dict[str, Any]]:
    """From a row's layers to the chosen axes, the Pareto front and what the budget leaves."""
    figures = {
        "accuracy_layer": layer("accuracy_from"),
        "speed_layer": layer("speed_from"),
        "map": "datum[datum.accuracy_layer + '_' + accuracy]",
        "fps": "datum[datum.speed_layer + '_fps']",
        "latency_ms": "datum[datum.speed_layer + '_latency_ms']",
    }
    # Of the rows that have both figures; the others lack a layer's fields.
    states = {
        "across": "speed == 'fps' ? datum.fps : datum.latency_ms",
        "label": "datum[datum.speed_layer + '_name']",
        "comparable": "datum[datum.speed_layer + '_comparable'] "
        "&& indexof(datum[datum.accuracy_layer + '_other_images'], accuracy) < 0",
        "notes": "trim(join([datum[datum.accuracy_layer + '_notes'], "
        "datum.accuracy_layer == datum.speed_layer ? '' : datum[datum.speed_layer + '_notes'], "
        "datum[datum.accuracy_layer + '_' + accuracy + '_note'], "
        "datum[datum.speed_layer + '_speed_notes']], ' '))",
        # A slip is a printed figure on one of the two axes that its own source contradicts.
        "slip": "(datum.accuracy_layer == 'printed' "
        "&& datum.map != datum['reported_' + accuracy]) || (datum.speed_layer == 'printed' "
        f"&& !(abs(datum.fps - datum.reported_fps) < {HALF_PRINTED_DIGIT}))",
        "qualifies": "datum.map >= min_map && datum.latency_ms <= max_latency_ms",
        "ranked_map": "datum.comparable ? datum.map : -1",
        "ranked_fps": "datum.comparable ? datum.fps : -1",
    }
    # A point is on the front if nothing at least as fast is more accurate, and nothing at least as
    # accurate is faster; peers are in the frame, so equals don't put each other off.
    windows = [
        {
            "window": [{"op": "max", "field": field, "as": best}],
            "sort": [{"field": by, "order": "descending"}],
            "frame": [None, 0],
            "ignorePeers": False,
        }
        for field, by, best in (
            ("ranked_map", "ranked_fps", "best_map"),
            ("ranked_fps", "ranked_map", "best_fps"),
        )
    ]
    conclusions = {
        "front": "datum.comparable && datum.ranked_map == datum.best_map "
        "&& datum.ranked_fps == datum.best_fps",
        "map_told": "datum.map + ' (' + datum.accuracy_layer + ')'",
        "fps_told": "format(datum.fps, '.2f') + ' (' + datum.speed_layer + ')'",
        "tip": "merge({title: datum.label, family: datum.family}, "
        "accuracy == 'box' ? {'box mAP': datum.map_told} "
        ": accuracy == 'keypoint' ? {'keypoint mAP': datum.map_told} "
        ": {'mask mAP': datum.map_told}, "
        "{FPS: datum.fps_told, latency: format(datum.latency_ms, '.1f') + ' ms'}, "
        "datum.front ? {'Pareto': 'on the front'} : {}, "
        "datum.notes ? {note: datum.notes} : {})",
    }
    return [
        *_calculate(figures),
        {"filter": "isValid(datum.map) && isValid(datum.fps)"},
        *_calculate(states),
        {"filter": {"param": "families", "empty": False}},
        *windows,
        *_calculate(conclusions),
    ]


def layer(origin: str) -> str:
    """The layer of an axis, by the parameter that chooses it: what is measured is never printed."""
    return f"({origin} == 'measured' ? 'measured' : as_printed ? 'printed' : 'reported')"


def _calculate(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"calculate": expression, "as": name} for name, expression in fields.items()]
