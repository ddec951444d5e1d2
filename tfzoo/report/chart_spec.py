"""The chart's one specification, for the page and for pictures: accuracy against speed.

All that a reader can change is a Vega parameter; the points, the Pareto front and the budget follow
from them inside the specification (chart_states.py), so a page, an SVG and a PNG of one state show
the same. Here is what is drawn of them, a function for each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from tfzoo.report.chart_rows import FAMILIES, OTHER
from tfzoo.report.chart_states import layer, parameters, top_latency, transforms
from tfzoo.report.points import Metric, Origin

Speed = Literal["fps", "latency"]

#: Where a picture has no page to fill.
PICTURE_SIZE = (960, 540)

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
    alt.data_transformers.disable_max_rows()
    chosen = parameters(
        rows,
        metric=metric,
        speed=speed,
        as_printed=as_printed,
        accuracy_from=accuracy_from,
        speed_from=speed_from,
    )
    base = _axes()
    fronts = _fronts(base)
    chart = alt.layer(
        _front_line(base),
        *_limits(rows),
        # White around a name keeps the lines below it from striking it out.
        _names(fronts, color="white", stroke="white", strokeWidth=4, strokeJoin="round"),
        _rings(base),
        _dots(base, rows),
        _names(fronts, color="#333333"),
        *_titles(),
        data=alt.Data(name="models", values=list(rows)),
    )
    chart.transform = transforms()
    return _styled(chart.add_params(*chosen))


def _axes() -> alt.Chart:
    """What all marks of models stand on: speed across, accuracy up."""
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
    return alt.Chart().encode(x=across, y=up)


def _faded() -> Any:
    """The opacity of a model's marks: what the budget leaves stands out."""
    return alt.condition("datum.qualifies", alt.value(1), alt.value(0.15))


def _front_line(base: alt.Chart) -> alt.Chart:
    return base.transform_filter("datum.front").mark_line(
        color="#444444",
        strokeDash=[5, 4],
        strokeWidth=1.3,
        # Up to the speed of a point of the front, that point is what one can have.
        interpolate=alt.expr("speed == 'fps' ? 'step-before' : 'step-after'"),
    )


def _rings(base: alt.Chart) -> alt.Chart:
    """A red ring around each model that a slip was printed of."""
    return base.mark_point(
        filled=False,
        size=330,
        color="#c00000",
        strokeWidth=alt.expr("datum.slip ? 1.6 : 0"),
    ).encode(opacity=_faded())


def _dots(base: alt.Chart, rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A dot for each model, by family: the legend says which, and chooses among them."""
    present = {row["family"] for row in rows}
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
    legend = _legend()
    colour = alt.Color(
        "family:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=legend,
    )
    shapes = ["diamond" if name == OTHER[0] else "circle" for name in colours]
    shape = alt.Shape(
        "family:N", scale=alt.Scale(domain=list(colours), range=shapes), legend=legend
    )
    return (
        base.mark_point(
            size=110,
            strokeWidth=2,
            fillOpacity=alt.expr("datum.comparable ? 1 : 0"),
            tooltip=alt.expr("datum.tip"),
        )
        .encode(color=colour, fill=colour, shape=shape, opacity=_faded())
        .add_params(families)
        .properties(name="models")
    )


def _legend() -> alt.Legend:
    return alt.Legend(
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


def _fronts(base: alt.Chart) -> alt.Chart:
    """The models of the front, each knowing whether the last one's name is too close to its own."""
    fronts = base.transform_filter("datum.front").transform_window(
        last_map="lag(map)",
        last_fps="lag(fps)",
        sort=[alt.SortField("fps", order="descending")],
        frame=[None, 0],
    )
    return fronts.transform_calculate(
        crowded="isValid(datum.last_map) && abs(datum.map - datum.last_map) < 0.25 "
        "&& datum.last_fps < 1.5 * datum.fps"
    )


def _names(fronts: alt.Chart, **paint: Any) -> alt.Chart:
    """The names of the front's models, painted so.

    A name stands outside the front, inside the frame, and on the other side of its dot where the
    last name is too close. A phone has no room for any; the list below its chart has them.
    """
    inside = "speed == 'fps' ? scale('x', datum.across) < 0.6 * width "
    inside += ": scale('x', datum.across) < 0.4 * width"
    rightwards = f"(datum.crowded ? !({inside}) : ({inside}))"
    return fronts.mark_text(
        fontSize=11,
        align=alt.expr(f"{rightwards} ? 'left' : 'right'"),
        dx=alt.expr(f"{rightwards} ? 8 : -8"),
        dy=alt.expr("datum.crowded ? 11 : -7"),
        text=alt.expr(f"width < 500 ? '' : datum.label + ({_OWN} ? ' ({OTHER[0]})' : '')"),
        **paint,
    ).encode(opacity=_faded())


def _unbound() -> alt.Chart:
    """What is placed by hand, by no model's figures."""
    return alt.Chart(alt.Data(values=[{}]))


def _limits(rows: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    """The budget's two lines, where one is set."""
    # Placed by hand, so that a budget beyond the models does not stretch the axes.
    limit = _unbound().mark_rule(color="#c08a00", strokeWidth=1.5, clip=True)
    budget = "speed == 'fps' ? 1000 / max_latency_ms : max_latency_ms"
    return [
        limit.encode(
            x=alt.value(alt.expr(f"scale('x', {budget})")),
            opacity=alt.value(alt.expr(f"max_latency_ms < {top_latency(rows)} ? 1 : 0")),
        ),
        limit.encode(
            y=alt.value(alt.expr("scale('y', min_map)")),
            opacity=alt.value(alt.expr("min_map > 0 ? 1 : 0")),
        ),
    ]


def _titles() -> list[alt.Chart]:
    """How to read the marks, and what is across and up: they follow what is chosen."""
    return [
        _unbound()
        .mark_text(text=alt.expr(_KEY), align="left", baseline="top", color="#555555")
        .encode(x=alt.value(0), y=alt.value(-34)),
        _unbound()
        .mark_text(
            text=alt.expr(
                "(speed == 'fps' ? 'images a second, ' : 'ms an image, ') "
                f"+ {layer('speed_from')} "
                "+ (speed == 'fps' ? ' (log): faster →' : ' (log): ← faster')"
            ),
            fontSize=12,
            fontWeight="bold",
        )
        .encode(x=alt.value(alt.expr("width / 2")), y=alt.value(alt.expr("height + 36"))),
        _unbound()
        .mark_text(
            text=alt.expr(
                f"accuracy + ' mAP, % (' + {layer('accuracy_from')} "
                "+ (accuracy_from == 'measured' ? '' : ', COCO val2017') + ')'"
            ),
            fontSize=12,
            fontWeight="bold",
            angle=270,
        )
        .encode(x=alt.value(-42), y=alt.value(alt.expr("height / 2"))),
    ]


def _styled(chart: alt.LayerChart) -> alt.LayerChart:
    return (
        chart.properties(
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
