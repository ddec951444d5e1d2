"""`tfzoo detect`: images, folders, videos through a model, results into a folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import typer

from tfzoo.batch.formats import FORMATS
from tfzoo.batch.settings import RunSettings
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    out,
    print_json,
)
from tfzoo.cli.options import takes
from tfzoo.cli.prepare import prepare_afterwards, print_check
from tfzoo.cli.stopping import stop_told
from tfzoo.outside import public


@takes(RunSettings)
def detect_command(
    values: dict[str, Any],
    offline: OfflineOption = False,
    verify: VerifyOption = False,
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

    kept = f"Stopped. What was finished is kept in {values['out']}. {how_to_go_on()}"
    with stop_told(kept), progress_bar("detecting", "images") as bar:
        bar.step("starting")
        summary = detect_folder(**values, on_progress=bar.count, on_step=bar.step)
    if as_json:
        print_json(_as_json(asdict(summary), values))
    else:
        _print(asdict(summary), values)
    asked_for = values["precision"] != "float32"  # What is chosen for auto is no use to it.
    if values["prepare"] and not asked_for and summary.failed < summary.images:
        prepare_afterwards(values["model"], values["runtime"], values["device"])
    raise typer.Exit(summary.exit_code)


def how_to_go_on() -> str:
    """What goes on with a run that was stopped: a command, where one can be shown that works."""
    given = [word for word in sys.argv[1:] if word not in ("--resume", "--overwrite")]
    command = shlex.join(["tfzoo", *given, "--resume"])
    if public(command) != command:  # Without its password an address can't be detected.
        return "Go on with the same command and --resume, in place of --overwrite if it has that."
    return f"Go on with:\n  {command}"


def _of_formats(formats: Sequence[str]) -> list[str]:
    """The files of formats, or the folder where a format has one for each image."""
    kinds = [FORMATS[name] for name in formats]
    return [name for kind in kinds for name in ([kind.folder] if kind.folder else kind.files)]


def _as_json(summary: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    folder = summary["out"]
    names = ["detections.json", "images.json", "detections.csv", "errors.jsonl", "parts"]
    names += [*_of_formats(summary["formats"]), *(["crops"] if _cut_out(summary, values) else [])]
    names += ["annotated"] * values["pictures"]
    files = {name: str(folder / name) for name in names}
    return summary | {"out": str(folder), "files": files}


def _cut_out(summary: dict[str, Any], values: dict[str, Any]) -> bool:
    return bool(values["crops"]) and summary["detections"] > summary["without_crop"]


def _print(summary: dict[str, Any], values: dict[str, Any]) -> None:
    folder = summary["out"]
    fresh = summary["images"] - summary["resumed"]
    text = f"{summary['images']} images"
    if summary["resumed"]:
        text += f" ({summary['resumed']} of them by an earlier run)"
    text += f", {summary['detections']} detections"
    if fresh:
        text += f", {summary['seconds']:.1f} s, {summary['images_per_s']:.1f} images/s"
    say = partial(out.print, soft_wrap=True)
    say(f"{text} with {summary['model']} on {summary['device']}")
    if summary["categories"]:
        shown = list(summary["categories"].items())
        more = f", and {len(shown) - 10} more" if len(shown) > 10 else ""
        say(", ".join(f"{name} {count}" for name, count in shown[:10]) + more)
    if summary["skipped"]:
        say(f"{summary['skipped']} images were skipped: the annotation file has them not")
    if (check := summary["check"]) is not None:
        print_check(check)
    if summary["left_out"]:
        from tfzoo.images.sources import left_out_text

        say(left_out_text(summary["left_out"]))
    if summary["failed"]:
        say(f"{summary['failed']} images failed; see {folder / 'errors.jsonl'}", style="bold")
    if summary["without_crop"]:
        say(f"{summary['without_crop']} detections have no crop: their boxes cover no pixel")
    say(f"Results: {folder / 'detections.json'}, detections.csv, images.json, parts/")
    if others := _of_formats(summary["formats"]):
        say(f"Formats: {', '.join([str(folder / others[0]), *others[1:]])}")
    if _cut_out(summary, values):
        say(f"Crops: {folder / 'crops'}")
    if values["pictures"]:
        say(f"Pictures: {folder / 'annotated'}")
    say(f"Look through them with: {shlex.join(['tfzoo', 'gallery', str(folder)])}")
