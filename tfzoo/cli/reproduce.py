"""`tfzoo reproduce`: rows of the zoo's table, measured here and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.cli.options import takes
from tfzoo.cli.stopping import stop_told
from tfzoo.reproduction.settings import ReproduceSettings

if TYPE_CHECKING:
    from tfzoo.reproduction.plan import Plan
    from tfzoo.reproduction.rows import Row


@takes(ReproduceSettings, without=("models",))
def reproduce_command(
    values: dict[str, Any],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            autocompletion=models,
            help="Models, by name, path or pattern ('ssd*').",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Reproduce rows of the zoo's table: fetch, evaluate, time, judge and report each model.

    Whatever ends it, the same command goes on: what was measured is not measured again. A model
    that fails is a row with its reason.

    Exits with 0 if every row was measured, 1 if some were not, 3 if none was.

    Example: tfzoo reproduce "efficientdet*" --coco coco --limit 500
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.reproduction.run import plan_reproduction, reproduce

    plan = plan_reproduction(names or [], **values)
    if dry_run and as_json:
        print_json(plan.to_json())
        return
    _print_plan(plan)
    if dry_run:
        _print_models(plan)
        return
    kept = "\nWhat was measured is kept; the same command goes on."
    with stop_told(kept), progress_bar("", "") as bar:
        rows = reproduce(names or [], **values, on_step=bar.step, on_row=_tell)
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        _print_rows(rows)
        err.print(f"Report: {Path(values['report']) / 'index.html'}", soft_wrap=True)
    failed = sum(row.error is not None for row in rows)
    if failed:
        raise typer.Exit(3 if failed == len(rows) else 1)


def _print_plan(plan: Plan) -> None:
    for model in plan.models:
        if model.skipped is not None:
            err.print(f"skipped: {model.name}: {model.skipped}", soft_wrap=True)
    hours = "an unknown time" if plan.seconds is None else f"about {_length(plan.seconds)}"
    err.print(
        f"{len(plan.wanted)} models, {_size(plan.download_mb)} to download, "
        f"{_size(plan.peak_mb)} of disk at the peak, {hours} of measuring.",
        soft_wrap=True,
    )


def _print_models(plan: Plan) -> None:
    table = plain_table("model")
    for title in ("MB to download", "minutes of measuring"):
        table.add_column(title, justify="right")
    for model in plan.wanted:
        minutes = "" if model.seconds is None else f"{model.seconds / 60:.1f}"
        table.add_row(
            model.name, "" if model.download_mb is None else f"{model.download_mb:.1f}", minutes
        )
    out.print(table)


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _tell(row: Row) -> None:
    said = [f"{kind} {one.verdict}" for kind, one in row.accuracy.items() if one.verdict]
    said += [f"speed {row.speed.verdict}"] if row.speed.verdict else []
    err.print(f"{row.name} ({row.runtime}): {row.error or ', '.join(said) or 'measured'}",
              soft_wrap=True)  # fmt: skip


def _print_rows(rows: list[Row]) -> None:
    table = plain_table("model", "runtime", "kind")
    for title in ("mAP reported", "measured", "ms reported", "measured"):
        table.add_column(title, justify="right")
    table.add_column("verdict")
    for row in rows:
        for kind, one in row.accuracy.items():
            needed = f" (about {one.images_needed} images decide)" if one.images_needed else ""
            table.add_row(row.name, row.runtime, kind, _text(one.reported), _text(one.measured),
                          "", "", f"{one.verdict or ''}{needed}")  # fmt: skip
        speed = row.speed
        if speed.reported_ms is not None or speed.measured_ms is not None:
            table.add_row(row.name, row.runtime, "speed", "", "", _text(speed.reported_ms),
                          _text(speed.measured_ms), speed.verdict or "")  # fmt: skip
    out.print(table)
    for row in rows:
        if row.error is not None:
            out.print(f"not measured: {row.name}: {row.error}", style="red", soft_wrap=True)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
