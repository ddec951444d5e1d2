"""`tfzoo detect`: images, folders, videos through a model, results into a folder."""

from __future__ import annotations

import shlex
import signal
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tfzoo.cli.console import (
    DeviceOption,
    JsonOption,
    ManifestOption,
    OfflineOption,
    RuntimeOption,
    err,
    out,
    print_json,
)
from tfzoo.zoo.manifest import DEFAULT_MODEL

#: What shells expect of a command that Ctrl-C ended: 128 + SIGINT.
_INTERRUPTED = 128 + signal.SIGINT


def detect_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Images, folders, globs, videos, a .txt file of paths, or addresses "
            "(https://, s3://, gs://).",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A name (see: tfzoo list), a SavedModel folder or an archive.",
        ),
    ] = DEFAULT_MODEL,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where the results go.")
    ] = Path("detections"),
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into subfolders too.")
    ] = False,
    min_score: Annotated[
        float, typer.Option(metavar="SCORE", help="Drop scores below this, 0 to 1.")
    ] = 0.3,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES", help="Keep these categories only: names or ids, separated by commas."
        ),
    ] = None,
    max_detections: Annotated[
        int | None, typer.Option(metavar="N", help="Keep the best N of an image.")
    ] = None,
    pictures: Annotated[
        bool, typer.Option("--images/--no-images", help="Write annotated pictures.")
    ] = True,
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A COCO annotation file: its image ids are used, and only its images detected.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Category names of a fine-tuned model: a label_map.pbtxt, a text file with a "
            "name on each line, or names separated by commas.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    runtime: RuntimeOption = "auto",
    max_pixels: Annotated[
        int, typer.Option(metavar="N", help="Fail images of more pixels than this.")
    ] = 150_000_000,
    batch: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Images in one call, where the model takes several: for a GPU."
        ),
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete an earlier run's results first.")
    ] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="local: this machine; ray: many, by Ray Data (extra 'ray')."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The Ray cluster to join, such as auto; else this machine."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Ray's workers; else one a GPU, or every two processors."),
    ] = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Detect images, folders or videos; boxes as JSON, CSV and Parquet, and annotated pictures.

    Example: tfzoo detect photos --model "SSD MobileNet v2 320x320" --out detections
    """
    from tfzoo.cli.light import start_light
    from tfzoo.cli.progress import progress_bar

    start_light()
    from tfzoo.batch.folder import detect_folder
    from tfzoo.detections.labels import read_labels

    # A scheduler's polite stop is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress_bar("detecting", "images") as show:
            summary = detect_folder(
                sources,
                model,
                out_folder,
                recursive=recursive,
                min_score=min_score,
                classes=[name for text in classes for name in text.split(",")] if classes else None,
                max_detections=max_detections,
                pictures=pictures,
                annotations=annotations,
                device=device,
                labels=read_labels(labels) if labels else None,
                runtime=runtime,
                max_pixels=max_pixels,
                batch=batch,
                resume=resume,
                overwrite=overwrite,
                engine=engine,
                address=address,
                workers=workers,
                on_progress=show,
            )
    except KeyboardInterrupt:
        kept = f"Stopped. What was finished is kept in {out_folder}. Go on with:"
        err.print(kept, markup=False, soft_wrap=True)
        err.print(f"  {_resume_command()}", markup=False, soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        print_json(_as_json(asdict(summary), pictures))
    else:
        _print(asdict(summary), pictures)
    raise typer.Exit(summary.exit_code)


def _resume_command() -> str:
    given = [word for word in sys.argv[1:] if word not in ("--resume", "--overwrite")]
    return shlex.join(["tfzoo", *given, "--resume"])


def _files(folder: Path, pictures: bool) -> dict[str, str]:
    names = ["detections.json", "images.json", "detections.csv", "errors.jsonl", "parts"]
    return {name: str(folder / name) for name in names + ["annotated"] * pictures}


def _as_json(summary: dict[str, Any], pictures: bool) -> dict[str, Any]:
    folder = summary["out"]
    return summary | {"out": str(folder), "files": _files(folder, pictures)}


def _print(summary: dict[str, Any], pictures: bool) -> None:
    folder = summary["out"]
    fresh = summary["images"] - summary["resumed"]
    text = f"{summary['images']} images"
    if summary["resumed"]:
        text += f" ({summary['resumed']} of them by an earlier run)"
    text += f", {summary['detections']} detections"
    if fresh:
        text += f", {summary['seconds']:.1f} s, {summary['images_per_s']:.1f} images/s"
    say = partial(out.print, markup=False, soft_wrap=True)
    say(f"{text} with {summary['model']} on {summary['device']}")
    if summary["categories"]:
        shown = list(summary["categories"].items())
        more = f", and {len(shown) - 10} more" if len(shown) > 10 else ""
        say(", ".join(f"{name} {count}" for name, count in shown[:10]) + more)
    if summary["skipped"]:
        say(f"{summary['skipped']} images were skipped: the annotation file has them not")
    if summary["failed"]:
        say(f"{summary['failed']} images failed; see {folder / 'errors.jsonl'}", style="bold")
    say(f"Results: {folder / 'detections.json'}, detections.csv, images.json, parts/")
    if pictures:
        say(f"Pictures: {folder / 'annotated'}")
