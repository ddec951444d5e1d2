"""`tfzoo evaluate`: COCO metrics of models, or of a results file."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tfzoo.cli.console import (
    DeviceOption,
    JsonOption,
    ManifestOption,
    OfflineOption,
    ResultsOption,
    RuntimeOption,
    err,
    out,
    plain_table,
)
from tfzoo.errors import TfzooError, UsageError

if TYPE_CHECKING:
    from tfzoo.accuracy.evaluate import Accuracy, OnProgress


def evaluate_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Models, by name or path.")
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="COCO folder in one of the usual layouts; left out, what coco fetch fetched.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of images, with --annotations.")
    ] = None,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="COCO annotations; once more for keypoints in another file."
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
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Evaluate on N images, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of --limit and of the interval.")] = 0,
    evaluator: Annotated[
        Literal["faster-coco-eval", "pycocotools", "official"],
        typer.Option(help="Who scores; official is tf-models-official's, for boxes and masks."),
    ] = "faster-coco-eval",
    resamples: Annotated[
        int, typer.Option(min=0, help="Bootstrap resamples of the 95 % interval; 0 for none.")
    ] = 200,
    results: ResultsOption = Path("results"),
    runtime: RuntimeOption = "tensorflow",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    offline: OfflineOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Measure accuracy by the zoo's protocol: COCO metrics on annotated images.

    All detections count, whatever their score. They are saved as they come: the same command goes
    on where a killed one was. Each measurement becomes a row of accuracy.csv.

    Example: tfzoo evaluate "efficientdet d0" --coco coco --limit 500
    """
    from tfzoo.accuracy import evaluate as accuracy

    def show(measured: Accuracy) -> None:
        for warning in measured.warnings:
            err.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
        if as_json:
            _print_line(measured.to_json())
        else:
            _print_table(measured)

    # What looks like a mistake is printed from the measurement itself.
    warnings.simplefilter("ignore", accuracy.AccuracyWarning)
    if predictions is not None:
        if names or images or coco or annotations is None or len(annotations) != 1:
            raise UsageError(
                "--predictions takes no model and no images; expected: tfzoo evaluate "
                "--predictions RESULTS.json --annotations GT.json --type box"
            )
        show(
            accuracy.evaluate_predictions(
                predictions,
                annotations[0],
                "masks" if kind == "mask" else kind,
                limit=limit,
                seed=seed,
                evaluator=evaluator,
                resamples=resamples,
            )
        )
        return
    if not names:
        raise UsageError(
            "name a model (tfzoo list shows them), or a results file with --predictions FILE"
        )
    failed: list[TfzooError] = []
    for name in names:
        try:
            with _progress(name) as on_progress:
                measured = accuracy.evaluate(
                    name,
                    coco=coco,
                    images=images,
                    annotations=annotations,
                    limit=limit,
                    seed=seed,
                    runtime=runtime,
                    device=device,
                    evaluator=evaluator,
                    resamples=resamples,
                    results=results,
                    on_progress=on_progress,
                )
        except TfzooError as error:
            # One model that can't be had must not keep the others from being measured.
            if len(names) == 1:
                raise
            failed.append(error)
            err.print(f"error: {name}: {error}", style="red", markup=False, soft_wrap=True)
            if as_json:
                _print_line({"model": name, "error": str(error)})
            continue
        show(measured)
    if failed:
        raise typer.Exit(1 if len(failed) < len(names) else failed[0].exit_code)


def _print_line(value: dict[str, Any]) -> None:
    # A line a model, as soon as it is measured.
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def _print_table(measured: Accuracy) -> None:
    out.print(measured.model, style="bold", markup=False)
    out.print(f"{measured.images} images ({measured.image_set}), {measured.evaluator}", style="dim")
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
        out.print(f"AP by category: {listed}", style="dim", markup=False)


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, Elapsed(), Remaining(), console=err, transient=True) as progress:
        task = progress.add_task(name, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update
