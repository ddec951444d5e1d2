"""`tfzoo chart`: accuracy against speed, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tfzoo.cli.console import ManifestOption, ResultsOption, err
from tfzoo.report.chart import draw_chart, save_chart
from tfzoo.report.points import Metric, Origin

AccuracyFromOption = Annotated[
    Origin, typer.Option(help="Whose mAP: reported, or measured under --results.")
]
SpeedFromOption = Annotated[
    Origin, typer.Option(help="Whose speed: reported, or measured under --results.")
]


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
