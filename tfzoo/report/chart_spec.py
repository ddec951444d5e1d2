"""The chart's one specification, for the page and for pictures: accuracy against speed.

All that a reader can change is a Vega parameter; the points, the Pareto front and the budget follow
from them inside the specification, so a page, an SVG and a PNG of one state show the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tfzoo.report.chart_rows import FAMILIES, OTHER
from tfzoo.report.points import METRICS, Metric, Origin

if TYPE_CHECKING:
    import altair as alt

Speed = Literal["fps", "latency"]

#: The blog prints FPS with two decimals, and 12.5 may be rounded either way.
HALF_PRINTED_DIGIT = 0.00501

#: Where a picture has no page to fill.
PICTURE_SIZE = (960, 540)


def build_chart(
    rows: Sequence[dict[str, Any]],
    *,
    metric: Metric = "box",
    speed: Speed = "fps",
    as_printed: bool = False,
    accuracy_from: Origin = "reported",
    speed_from: Origin = "reported",
) -> alt.LayerChart:
    """The chart of rows (see chart_rows.py); the arguments say in which state it opens."""
    import altair as alt

    alt.data_transformers.disable_max_rows()
    parameters = _parameters(
        rows,
        metric=metric,
        speed=speed,
        as_printed=as_printed,
        accuracy_from=accuracy_from,
        speed_from=speed_from,
    )
    present = list(dict.fromkeys(row["family"] for row in rows))
    colours = {name: colour for name, colour in (*FAMILIES.values(), OTHER) if name in present}
    families = alt.selection_point(
        name="families",
        fields=["family"],
        bind="legend",
        toggle="true",
        clear=False,
        empty=False,
        value=[{"family": family} for family in colours],
    )
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=alt.expr("width < 500 ? 2 : 8"),
        labelFontSize=13,
        symbolSize=150,
        symbolStrokeWidth=0,
        symbolOpacity=1,
        rowPadding=8,
        offset=44,
    )
    colour = alt.Color(
        "family:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=legend,
    )
    shapes = ["diamond" if name == OTHER[0] else "circle" for name in colours]
    shape = alt.Shape(
        "family:N", scale=alt.Scale(domain=list(colours), range=shapes), legend=legend
    )
    across = alt.X(
        "across:Q",
        scale=alt.Scale(type="log", nice=False, padding=24),
        axis=alt.Axis(title=None, format="~r", labelOverlap=True, tickCount=12, grid=False),
    )
    up = alt.Y(
        "map:Q",
        scale=alt.Scale(zero=False, nice=False, padding=24),
        axis=alt.Axis(title=None, gridColor="#e8e8e8", tickCount=8),
    )
    base = alt.Chart().encode(x=across, y=up)
    faded = alt.condition("datum.qualifies", alt.value(1), alt.value(0.15))
    front_line = base.transform_filter("datum.front").mark_line(
        color="#444444",
        strokeDash=[5, 4],
        strokeWidth=1.3,
        # Up to the speed of a point of the front, that point is what one can have.
        interpolate=alt.expr("speed == 'fps' ? 'step-before' : 'step-after'"),
    )
    rings = base.mark_point(
        filled=False,
        size=330,
        color="#c00000",
        strokeWidth=alt.expr("datum.slip ? 1.6 : 0"),
    ).encode(opacity=faded)
    dots = (
        base.mark_point(
            size=110,
            strokeWidth=2,
            fillOpacity=alt.expr("datum.comparable ? 1 : 0"),
            tooltip=alt.expr("datum.tip"),
        )
        .encode(color=colour, fill=colour, shape=shape, opacity=faded)
        .add_params(families)
        .properties(name="models")
    )
    # A name stands outside the front, inside the frame, and on the other side of its dot where the
    # last name is too close. A phone has no room for any; the list below its chart has them.
    inside = "speed == 'fps' ? scale('x', datum.across) < 0.6 * width "
    inside += ": scale('x', datum.across) < 0.4 * width"
    rightwards = f"(datum.crowded ? !({inside}) : ({inside}))"
    fronts = base.transform_filter("datum.front").transform_window(
        last_map="lag(map)",
        last_fps="lag(fps)",
        sort=[alt.SortField("fps", order="descending")],
        frame=[None, 0],
    )
    crowded = fronts.transform_calculate(
        crowded="isValid(datum.last_map) && abs(datum.map - datum.last_map) < 0.25 "
        "&& datum.last_fps < 1.5 * datum.fps"
    )

    def names(**paint: Any) -> Any:
        return crowded.mark_text(
            fontSize=11,
            align=alt.expr(f"{rightwards} ? 'left' : 'right'"),
            dx=alt.expr(f"{rightwards} ? 8 : -8"),
            dy=alt.expr("datum.crowded ? 11 : -7"),
            text=alt.expr(f"width < 500 ? '' : datum.label + ({_OWN} ? ' ({OTHER[0]})' : '')"),
            **paint,
        ).encode(opacity=faded)

    # White around a name keeps the lines below it from striking it out.
    halos = names(color="white", stroke="white", strokeWidth=4, strokeJoin="round")
    one = alt.Data(values=[{}])
    # Placed by hand, so that a budget beyond the models does not stretch the axes.
    limit = alt.Chart(one).mark_rule(color="#c08a00", strokeWidth=1.5, clip=True)
    budget = "speed == 'fps' ? 1000 / max_latency_ms : max_latency_ms"
    limits = [
        limit.encode(
            x=alt.value(alt.expr(f"scale('x', {budget})")),
            opacity=alt.value(alt.expr(f"max_latency_ms < {_top_latency(rows)} ? 1 : 0")),
        ),
        limit.encode(
            y=alt.value(alt.expr("scale('y', min_map)")),
            opacity=alt.value(alt.expr("min_map > 0 ? 1 : 0")),
        ),
    ]
    titles = [
        alt.Chart(one)
        .mark_text(text=alt.expr(_KEY), align="left", baseline="top", color="#555555")
        .encode(x=alt.value(0), y=alt.value(-34)),
        alt.Chart(one)
        .mark_text(
            text=alt.expr(
                "(speed == 'fps' ? 'images a second, ' : 'ms an image, ') "
                f"+ {_layer('speed_from')} "
                "+ (speed == 'fps' ? ' (log): faster →' : ' (log): ← faster')"
            ),
            fontSize=12,
            fontWeight="bold",
        )
        .encode(x=alt.value(alt.expr("width / 2")), y=alt.value(alt.expr("height + 36"))),
        alt.Chart(one)
        .mark_text(
            text=alt.expr(
                f"accuracy + ' mAP, % (' + {_layer('accuracy_from')} "
                "+ (accuracy_from == 'measured' ? '' : ', COCO val2017') + ')'"
            ),
            fontSize=12,
            fontWeight="bold",
            angle=270,
        )
        .encode(x=alt.value(-42), y=alt.value(alt.expr("height / 2"))),
    ]
    chart = alt.layer(
        front_line, *limits, halos, rings, dots, names(color="#333333"), *titles, data=_data(rows)
    )
    chart.transform = _transforms()
    return (
        chart.add_params(*parameters)
        .properties(
            width="container",
            height=PICTURE_SIZE[1],
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
            padding={"left": 4, "top": 4, "right": 16, "bottom": 4},
            title=alt.TitleParams(
                text=alt.expr(
                    "[accuracy + ' mAP against ' + (speed == 'fps' ? 'FPS' : 'latency')]"
                ),
                anchor="start",
                fontSize=17,
            ),
        )
        .configure(
            font="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif",
            background="white",
        )
        .configure_view(continuousWidth=PICTURE_SIZE[0], stroke="#bbbbbb")
        .configure_axis(labelFontSize=12)
        .configure_legend(unselectedOpacity=0.25)
    )


#: Whether a row is of a model that is none of the zoo's.
_OWN = f"datum.family == '{OTHER[0]}'"

#: How to read the marks, in lines short enough for a phone.
_KEY = (
    "accuracy_from == 'measured' || speed_from == 'measured' "
    "? ['Dashed: the Pareto front. Diamond: not of the zoo.', 'Hollow: not comparable.'"
    " + (as_printed && accuracy_from != speed_from ? ' Red ring: a slip.' : '')] "
    ": as_printed "
    "? ['Dashed: Pareto front of the printed figures.', 'Red ring: a slip on these axes.'] "
    ": ['Dashed: the Pareto front.', 'Hollow: not comparable (batch 32).']"
)


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(name="models", values=list(rows))


def _top_latency(rows: Sequence[dict[str, Any]]) -> int:
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


def _parameters(rows: Sequence[dict[str, Any]], **start: Any) -> list[Any]:
    import altair as alt

    top = _top_latency(rows)

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


def _transforms() -> list[dict[str, Any]]:
    """From a row's layers to the chosen axes, the Pareto front and what the budget leaves."""
    figures = {
        "accuracy_layer": _layer("accuracy_from"),
        "speed_layer": _layer("speed_from"),
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


def _layer(origin: str) -> str:
    """The layer of an axis, by the parameter that chooses it: what is measured is never printed."""
    return f"({origin} == 'measured' ? 'measured' : as_printed ? 'printed' : 'reported')"


def _calculate(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"calculate": expression, "as": name} for name, expression in fields.items()]
