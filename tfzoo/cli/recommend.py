"""`tfzoo recommend`: which model to take within a budget, by whichever times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tfzoo.candidates.settings import RankOptions
from tfzoo.cli.chart import AccuracyFromOption, SpeedFromOption
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    ResultsOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.cli.options import takes, written
from tfzoo.cli.ranking import rank_and_print
from tfzoo.errors import UsageError
from tfzoo.options import DEVICE, RUNTIME, options_of
from tfzoo.report.points import Metric, Point, points_from
from tfzoo.report.recommend import parse_latency_ms, recommend
from tfzoo.zoo.manifest import load_manifest

if TYPE_CHECKING:
    from tfzoo.report.here import LatenciesHere, LatencyHere

_METRIC_OF: dict[str, Metric] = {"boxes": "box", "keypoints": "keypoint", "masks": "mask"}
_MEASURED_ALONE = (
    "--here takes measured times where there are any, and forecasts the others; leave out "
    "--speed-from, or --here for what was measured alone"
)
_OF_OTHERS = (
    "Reported times are of hardware the zoo does not state: take them as relative (--here "
    "forecasts them for this machine). YOLOv5 is left out (its speeds are not comparable)."
)
_OF_HERE = "--all, --runtime and --device are of this machine's times; add --here"


@takes(RankOptions, without=("images", "runtime", "device"))
def recommend_command(
    values: dict[str, Any],
    min_map: Annotated[
        float | None, typer.Option(min=0, max=100, help="mAP to reach at least, in percent.")
    ] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Most time an image may take: 50ms, 0.05s.")
    ] = None,
    outputs: Annotated[
        Literal["boxes", "keypoints", "masks"],
        typer.Option(help="What the model must give; its mAP is the one that counts."),
    ] = "boxes",
    accuracy_from: AccuracyFromOption = "reported",
    speed_from: SpeedFromOption = "reported",
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Choose by times on this machine: measured where --results has them, else "
            "forecast, each marked. Models that are here are timed; nothing is downloaded.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="With --here, list every model, not the choices alone.")
    ] = False,
    runtime: Annotated[str, written(RUNTIME)] = "auto",
    device: Annotated[str, written(DEVICE)] = "auto",
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Try models on these images, which need no labels."),
    ] = None,
    results: ResultsOption = Path("results"),
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Name the models within a budget that no other beats in both accuracy and speed.

    Speeds are the reported ones, of other hardware, unless --here asks for this machine's: before
    any download, the embedded model and up to two cached ones are timed (rows of timing.csv), and
    every other model's time is forecast from those and the operations counted in its graph, with
    a 95 % interval.

    Example: tfzoo recommend --min-map 35 --max-latency 60ms

    With --images, models run on images that nobody has labelled, each held against the strongest
    or against what most see: that is agreement, not accuracy.

    Example: tfzoo recommend --here --max-latency 200ms

    Example: tfzoo recommend --images photos --models demo,"ssd mobilenet v2 320" --report tried
    """
    metric = _METRIC_OF[outputs]
    max_latency_ms = None if max_latency is None else parse_latency_ms(max_latency)
    if images is not None:
        if here or every:
            raise UsageError("--images times the models itself; leave out --here and --all")
        values |= {"min_map": min_map, "max_latency_ms": max_latency_ms}
        return rank_and_print(images, values | {"runtime": runtime, "device": device}, as_json)
    _refuse_given(values)
    known: LatenciesHere | None = None
    _check_here(here, every, (runtime, device), speed_from)
    if here:
        known, points = _known_here(runtime, device, results, accuracy_from == "measured")
    else:
        points = points_from(
            load_manifest(), results, accuracy_from=accuracy_from, speed_from=speed_from
        )
    chosen = recommend(points, metric=metric, min_map=min_map, max_latency_ms=max_latency_ms)
    if as_json:
        listed = [_summary(point, metric) for point in chosen]
        print_json(listed if known is None else {"recommended": listed, **known.to_json()})
        return
    _print_chosen(chosen, metric)
    if known is not None:
        _print_doubts(chosen, max_latency_ms)
        _print_here(known, every)
    if "measured" in (accuracy_from, speed_from):
        _print_remarks(chosen, metric)
    if known is None and speed_from == "reported":
        out.print(_OF_OTHERS, style="dim")


def _check_here(here: bool, every: bool, asked: tuple[str, str], speed_from: str) -> None:
    if here and speed_from == "measured":
        raise UsageError(_MEASURED_ALONE)
    if not here and (every or asked != ("auto", "auto")):
        raise UsageError(_OF_HERE)


def _refuse_given(values: dict[str, Any]) -> None:
    defaults = {one.name: one.default for one, _ in options_of(RankOptions)}
    if any(value != defaults[name] for name, value in values.items()):
        raise UsageError("--models, --against, --limit, --true-score and --report go with --images")


def _print_remarks(chosen: Sequence[Point], metric: Metric) -> None:
    for point in chosen:
        out.print(f"{point.name}: {' '.join(point.remarks(metric))}", style="dim")


def _known_here(
    runtime: str, device: str, results: Path, measured: bool
) -> tuple[LatenciesHere, list[Point]]:
    """What every model takes here, and points of it."""
    from tfzoo.report.here import forecast_here
    from tfzoo.report.points import measured_points, require_measured

    rated = None
    if measured:
        rated = measured_points(load_manifest(), results)
        require_measured(rated, results, accuracy_from="measured", speed_from="reported")
    with err.status("looking for what was timed here ...") as status:

        def show(doing: str) -> None:
            status.update(status=err.render_str(f"{doing} ..."))

        known = forecast_here(runtime=runtime, device=device, results=results, on_model=show)
    return known, known.points(rated)


def _print_chosen(chosen: Sequence[Point], metric: Metric) -> None:
    forecast = any(point.latency_interval for point in chosen)
    table = plain_table()
    table.add_column("name", no_wrap=True)
    for title in (f"{metric} mAP", "ms", "FPS"):
        table.add_column(title, justify="right")
    if forecast:
        table.add_column("forecast, 95 % interval")
    for point in chosen:
        assert point.latency_ms is not None  # It would not be chosen.
        cells = [f"{point.accuracy(metric):g}", _ms(point.latency_ms, 4), f"{point.fps:.4g}"]
        marked = [_interval(point.latency_interval)] if forecast else []
        table.add_row(point.name, *cells, *marked)
    out.print(table)


def _interval(ends: tuple[float, float] | None) -> str:
    return "measured" if ends is None else f"forecast, {_ms(ends[0])} to {_ms(ends[1])} ms"


def _ms(milliseconds: float, digits: int = 3) -> str:
    """Some digits of a time, written out: 1930, never 1.93e+03."""
    return f"{float(f'{milliseconds:.{digits}g}'):.10g}"


def _print_doubts(chosen: Sequence[Point], max_latency_ms: float | None) -> None:
    """Names those whose forecast keeps the budget while its interval does not."""
    doubtful = [
        point.name
        for point in chosen
        if max_latency_ms is not None
        and point.latency_interval is not None
        and point.latency_interval[1] > max_latency_ms
    ]
    if doubtful:
        out.print(
            f"May take more than {max_latency_ms:g} ms, by their intervals: {', '.join(doubtful)}.",
            style="dim",
        )


def _print_here(known: LatenciesHere, every: bool) -> None:
    """What was timed, what the forecast is worth, and what has none."""
    if every:
        _print_every(known.models)
    timed = ", ".join(one.spec.name for one in known.timed)
    out.print(
        f"Times of {known.machine}. Forecast from what was timed there: {timed}.", style="dim"
    )
    for failure in known.failed:
        out.print(f"Could not be timed: {failure}", style="yellow")
    for one in known.timed:
        if one.disturbed:
            out.print(
                f"{one.spec.name} was timed beside other work ({one.disturbed}): what is forecast "
                "from it may be too long.",
                style="yellow",
            )
    error = known.error
    if error is None:
        out.print(
            "One model alone was timed, so nothing shows how good the forecast is; time another "
            f"that is here with: tfzoo benchmark NAME --runtime {known.machine.runtime.split()[0]}",
            style="dim",
        )
    else:
        out.print("Forecast against measured, each forecast from the others alone:", style="dim")
        for one in known.timed:
            if one.forecast is not None:
                out.print(f"  {one.spec.name}: {_beside(one)}", style="dim")
        out.print(
            f"Off by a factor of {error.median_factor:.2f} in the median and "
            f"{error.worst_factor:.2f} at most; {error.within} of {error.models} within the "
            "interval.",
            style="dim",
        )
    without = [one for one in known.models if one.reason and one.measured_ms is None]
    for reason in dict.fromkeys(one.reason for one in without if one.reason):
        names = ", ".join(one.spec.name for one in without if one.reason == reason)
        out.print(f"No forecast of {names}: {reason}.", style="dim")


def _beside(one: LatencyHere) -> str:
    assert one.forecast is not None and one.measured_ms is not None
    ends = f"{_ms(one.forecast.low_ms)} to {_ms(one.forecast.high_ms)}"
    return f"forecast {_ms(one.forecast.ms)} ms ({ends}), measured {_ms(one.measured_ms)} ms"


def _print_every(models: Sequence[LatencyHere]) -> None:
    table = plain_table("every model", "measured ms", "forecast ms", "95 % interval")
    for one in models:
        measured = "" if one.measured_ms is None else f"{one.measured_ms:.4g}"
        told = ("", "")
        if one.forecast is not None:
            ends = f"{_ms(one.forecast.low_ms)} to {_ms(one.forecast.high_ms)}"
            told = (_ms(one.forecast.ms), ends)
        table.add_row(one.spec.name, measured, *told)
    out.print(table)


def _summary(point: Point, metric: Metric) -> dict[str, Any]:
    return {
        "id": point.id,
        "name": point.name,
        "family": point.family,
        "outputs": list(point.outputs),
        "box_map": point.box_map,
        "keypoint_map": point.keypoint_map,
        "mask_map": point.mask_map,
        "latency_ms": point.latency_ms,
        "forecast": point.latency_interval is not None,
        "latency_interval_ms": point.latency_interval and list(point.latency_interval),
        "fps": point.fps,
        "notes": list(point.remarks(metric)),
    }
