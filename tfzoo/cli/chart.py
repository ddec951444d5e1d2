"""`tfzoo chart` and `tfzoo recommend`: accuracy against speed, as a picture and as an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    ResultsOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.report.chart import draw_chart, save_chart
from tfzoo.report.points import Metric, Origin, Point, points_from
from tfzoo.report.recommend import parse_latency_ms, recommend
from tfzoo.zoo.manifest import load_manifest

AccuracyFromOption = Annotated[
    Origin, typer.Option(help="Whose mAP: reported, or measured under --results.")
]
SpeedFromOption = Annotated[
    Origin, typer.Option(help="Whose speed: reported, or measured under --results.")
]
_METRIC_OF: dict[str, Metric] = {"boxes": "box", "keypoints": "keypoint", "masks": "mask"}


def chart_command(
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to: .html for the interactive page, .svg or .png for a picture; may be "
            "repeated. [default: chart.html]",
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option(help="The mAP that it opens with.")] = "box",
    speed: Annotated[
        Literal["fps", "latency"], typer.Option(help="The speed that it opens with.")
    ] = "fps",
    as_printed: Annotated[
        bool,
        typer.Option("--as-printed", help="Open with the blog's figures as printed, slips marked."),
    ] = False,
    accuracy_from: AccuracyFromOption = "reported",
    speed_from: SpeedFromOption = "reported",
    results: ResultsOption = Path("results"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is no chart of tfzoo's, too.")
    ] = False,
    manifest: ManifestOption = None,
) -> None:
    """Draw accuracy against speed, with the Pareto front and a budget to drag.

    Where --results holds measurements, the page has menus to choose reported or measured figures.

    Example: tfzoo chart --out chart.html --out chart.png
    """
    drawn = draw_chart(
        metric=metric,
        speed=speed,
        as_printed=as_printed,
        accuracy_from=accuracy_from,
        speed_from=speed_from,
        results=results,
    )
    for path in files or [Path("chart.html")]:
        save_chart(drawn, path, overwrite=overwrite)
        err.print(f"wrote {path}", soft_wrap=True)


def recommend_command(
    min_map: Annotated[
        float | None, typer.Option(min=0, max=100, help="mAP to reach at least, in percent.")
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time an image may take at most: 50ms, 0.05s."),
    ] = None,
    outputs: Annotated[
        Literal["boxes", "keypoints", "masks"],
        typer.Option(help="What the model must give; its mAP is the one that counts."),
    ] = "boxes",
    accuracy_from: AccuracyFromOption = "reported",
    speed_from: SpeedFromOption = "reported",
    results: ResultsOption = Path("results"),
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Name the models within a budget that no other beats in both accuracy and speed.

    Example: tfzoo recommend --min-map 35 --max-latency 60ms
    """
    metric = _METRIC_OF[outputs]
    chosen = recommend(
        points_from(load_manifest(), results, accuracy_from=accuracy_from, speed_from=speed_from),
        metric=metric,
        min_map=min_map,
        max_latency_ms=None if max_latency is None else parse_latency_ms(max_latency),
    )
    if as_json:
        print_json([_summary(point, metric) for point in chosen])
        return
    table = plain_table()
    table.add_column("name", no_wrap=True)
    for title in (f"{metric} mAP", "ms", "FPS"):
        table.add_column(title, justify="right")
    for point in chosen:
        table.add_row(
            point.name, f"{point.accuracy(metric):g}", f"{point.latency_ms:.4g}", f"{point.fps:.4g}"
        )
    out.print(table)
    if "measured" in (accuracy_from, speed_from):
        for point in chosen:
            remarks = " ".join(point.remarks(metric))
            out.print(f"{point.name}: {remarks}", style="dim")
    if speed_from == "reported":
        out.print(
            "Reported times are of hardware the zoo does not state: take them as relative. YOLOv5 "
            "is left out (its speeds are not comparable).",
            style="dim",
        )


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
        "fps": point.fps,
        "notes": list(point.remarks(metric)),
    }
