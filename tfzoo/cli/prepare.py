"""`tfzoo prepare` and `tfzoo export`: a model's derived forms, made ahead."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    out,
    plain_table,
    print_json,
)
from tfzoo.errors import UsageError

if TYPE_CHECKING:
    from tfzoo.prepare.choose import Choice, Detect


def prepare_command(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Names, ids, aliases, short forms or folders."),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what was measured before.")
    ] = False,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Make models open fast: convert them once, and measure which runtime suits them.

    Each installed runtime detects the packaged pictures. The fastest that gives TensorFlow's own
    detections is what `--runtime auto` then opens.

    Example: tfzoo prepare "ssd mobilenet v2 320x320"
    """
    from tfzoo.prepare.choose import choose, forget, on_gpu
    from tfzoo.store.models import get_model

    rows = []
    for name in names:
        model = get_model(name)
        if model.path.suffix == ".onnx":
            raise UsageError(f"{model.id} is an .onnx file, which opens as it is")
        if again:
            forget(model, on_gpu())
        choice = choose(model, partial(_open, name), on_gpu())
        rows.append({"model": model.id, **asdict(choice)})
        if not as_json:
            out.print(model.id, style="bold", markup=False)
            print_choice(choice)
    if as_json:
        print_json(rows)


def _open(name: str, runtime: str) -> Detect:
    from tfzoo.detector import load

    return load(name, runtime=runtime).detect


def print_choice(choice: Choice) -> None:
    """Prints what was tried and what was chosen."""
    table = plain_table()
    for title in ("runtime", "version", "ms an image", "agrees", ""):
        table.add_column(title, justify="right" if title == "ms an image" else "left")
    for trial in choice.trials:
        latency = "" if trial.latency_ms is None else f"{trial.latency_ms:.1f}"
        agrees = "yes" if trial.agrees else "no"
        table.add_row(trial.runtime, trial.version, latency, agrees, escape(trial.reason))
    if choice.trials:
        out.print(table)
    out.print(f"auto opens it with {choice.runtime}: {choice.reason}", markup=False)


def export_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name, id, alias or short form.")],
    form: Annotated[
        Literal["onnx"], typer.Option("--format", help="What to convert the model to.")
    ] = "onnx",
    out_file: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Also copy the result to this file."),
    ] = None,
    offline: OfflineOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Convert a model to ONNX, for `--runtime onnx` or for use elsewhere; kept in the cache.

    The converter needs older packages than ours: it is installed once into an environment of its
    own below the cache (about 2 GB).

    Example: tfzoo export "ssd mobilenet v2 320x320" --format onnx --out model.onnx
    """
    from tfzoo.prepare.export import export_onnx
    from tfzoo.store.models import get_model

    made = export_onnx(get_model(name))
    file = made.folder / "model.onnx"
    out.print(f"{file} ({made.note})", markup=False, soft_wrap=True)
    if out_file is not None:
        shutil.copyfile(file, out_file)
        out.print(f"copied to {out_file}", markup=False, soft_wrap=True)
