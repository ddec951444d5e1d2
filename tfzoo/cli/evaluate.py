"""`tfzoo evaluate`: COCO metrics of models, or of a results file."""

from __future__ import annotations

import warnings
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tfzoo.accuracy.settings import EvaluateSettings, PredictionSettings
from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    err,
    out,
    plain_table,
    print_line,
)
from tfzoo.cli.options import takes
from tfzoo.cli.prepare import print_check
from tfzoo.detecting import SuppressOptions
from tfzoo.errors import TfzooError, UsageError
from tfzoo.options import options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfzoo.accuracy.measured import Accuracy
    from tfzoo.accuracy.operating_point import OperatingPoint


@takes(EvaluateSettings, without=("model",))
def evaluate_command(
    values: dict[str, Any],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            autocompletion=models,
            help="Models, by name, path or pattern ('centernet*').",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Score this COCO results file instead of a model."),
    ] = None,
    kind: Annotated[
        Literal["box", "keypoints", "mask"],
        typer.Option("--type", help="What --predictions holds."),
    ] = "box",
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a page into this folder, with its figures as JSON and CSV: by class, "
            "curves, calibration, what errors cost, what is confused, the worst images. Of several "
            "models, a folder each in it.",
        ),
    ] = None,
    as_json: JsonOption = False,
    offline: OfflineOption = False,
    verify: VerifyOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Measure accuracy by the zoo's protocol: COCO metrics on annotated images.

    All detections count, whatever their score. They are saved as they come: the same command goes
    on where a killed one was. Each measurement becomes a row of accuracy.csv.

    Example: tfzoo evaluate "efficientdet d0" --coco coco --limit 500
    """
    from tfzoo.accuracy.evaluate import evaluate_predictions
    from tfzoo.accuracy.measured import AccuracyWarning
    from tfzoo.store.models import expanded

    if report is not None:
        from tfzoo.pages import check_pages

        check_pages(report, "evaluation")
    # What looks like a mistake is printed from the measurement itself.
    warnings.simplefilter("ignore", AccuracyWarning)
    if predictions is not None:
        if names or values["coco"] or len(values["annotations"] or []) != 1:
            raise UsageError(
                "--predictions takes no model and no COCO folder; expected: tfzoo evaluate "
                "--predictions RESULTS.json --annotations GT.json --type box"
            )
        (annotations,) = values["annotations"]
        if told := [one.name for one in fields(SuppressOptions) if values[one.name]]:
            raise UsageError(
                f"{', '.join(told)} can be told of a model, not of a results file, whose "
                "detections are scored as they are"
            )
        scored = "masks" if kind == "mask" else kind
        taken = {one.name for one, _ in options_of(PredictionSettings)} - {"annotations"}
        options = {name: value for name, value in values.items() if name in taken}
        measured = evaluate_predictions(predictions, annotations, scored, **options)
        _show(measured, as_json)
        _report(measured, report, values["images"])
    elif names:
        _evaluate(expanded(names), values, report, as_json)
    else:
        raise UsageError(
            "name a model (tfzoo list shows them), or a results file with --predictions FILE"
        )


def _report(measured: Accuracy, folder: Path | None, images: Path | None = None) -> None:
    if folder is not None:
        from tfzoo.explain.report import explain_accuracy

        page = explain_accuracy(measured, folder, images=images)
        err.print(f"report: {page}", soft_wrap=True)


def _evaluate(names: list[str], values: dict[str, Any], report: Path | None, as_json: bool) -> None:
    from tfzoo.accuracy.evaluate import evaluate
    from tfzoo.cli.progress import progress_bar

    failed: list[TfzooError] = []
    for name in names:
        try:
            with progress_bar(name, "images") as bar:
                measured = evaluate(name, **values, on_progress=bar.count)
        except TfzooError as error:
            # One model that can't be had must not keep the others from being measured.
            if len(names) == 1:
                raise
            failed.append(error)
            err.print(f"error: {name}: {error}", style="red", soft_wrap=True)
            if as_json:
                print_line({"model": name, "error": str(error)})
            continue
        _show(measured, as_json)
        several = report is not None and len(names) > 1
        _report(measured, report / Path(measured.model).name if report and several else report)
    if failed:
        raise typer.Exit(1 if len(failed) < len(names) else failed[0].exit_code)


def _show(measured: Accuracy, as_json: bool) -> None:
    for warning in measured.warnings:
        err.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    if as_json:
        print_line(measured.to_json())
    else:
        _print_table(measured)
        _print_points(measured.operating_points)
        if measured.check is not None:
            print_check(asdict(measured.check))


def _print_points(points: Sequence[OperatingPoint]) -> None:
    """Thresholds by what they miss: that of all in a sentence, those of categories in a table."""
    for point in points[:1]:
        out.print(point.reason, soft_wrap=True)
    if len(points) < 2:
        return
    columns = ("category", "keep from", "missed %", "false/image", "images", "needed")
    table = plain_table()
    for name in columns:
        table.add_column(name, justify="left" if name == "category" else "right")
    for point in points[1:]:
        kept = point.threshold is not None
        table.add_row(
            point.category or "",
            point.shown_threshold,
            f"{100 * point.missed:.1f}",
            f"{point.false_per_image:.2f}" if point.false_per_image is not None else "-",
            str(point.images),
            "" if kept else str(point.images_needed or "more won't do"),
        )
    out.print(table)


def _print_table(measured: Accuracy) -> None:
    out.print(measured.model, style="bold")
    out.print(f"{measured.images} images ({measured.image_set}), {measured.evaluator}", style="dim")
    if measured.suppression:
        out.print(
            f"not by the zoo's protocol: {measured.suppression}, in place of the model's own "
            "suppression and at most 100 detections an image",
            soft_wrap=True,
        )
    for kind, metrics in measured.metrics.items():
        table = plain_table()
        for name in (kind, *metrics.values):
            table.add_column(name, justify="left" if name == kind else "right")
        values = metrics.values.values()
        table.add_row("", *("-" if value is None else f"{100 * value:.1f}" for value in values))
        out.print(table)
        if metrics.interval is not None:
            low, high = metrics.interval.low, metrics.interval.high
            out.print(f"AP with 95 % probability in {100 * low:.1f} .. {100 * high:.1f}")
        ranked = sorted(
            ((name, ap) for name, ap in metrics.per_class.items() if ap is not None),
            key=lambda item: -item[1],
        )
        listed = ", ".join(f"{name} {100 * ap:.1f}" for name, ap in ranked)
        out.print(f"AP by category: {listed}", style="dim")
