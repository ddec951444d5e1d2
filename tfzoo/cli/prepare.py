"""`tfzoo prepare`: a model's derived forms, made ahead."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import (
    JsonOption,
    ManifestOption,
    OfflineOption,
    VerifyOption,
    err,
    out,
    plain_table,
    print_json,
)
from tfzoo.cli.stopping import is_stop

if TYPE_CHECKING:
    from tfzoo.prepare.choice import Choice

#: So many images are told of, to show what `auto` would take for them.
_EXAMPLES = (1, 100, 10_000)
#: Images that differ from TensorFlow's are told of up to this number.
_SHOWN = 10


def prepare_command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            autocompletion=models,
            help="Names, ids, aliases, short forms, folders or patterns ('centernet*').",
        ),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what was measured before.")
    ] = False,
    precision: Annotated[
        Literal["float32", "int8"],
        typer.Option(help="int8 also makes OpenVINO's form in 8-bit integers, to be asked for."),
    ] = "float32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images like those the model will see, to calibrate int8 on; a hundred or more.",
        ),
    ] = None,
    offline: OfflineOption = False,
    verify: VerifyOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Make models open fast: convert them once, and measure which runtime suits them.

    Each installed runtime detects the same pictures, in a process of its own. Of those that give
    TensorFlow's own detections, `--runtime auto` then takes the one that is done first: opening
    counts for one image, speed for a folder. `tfzoo detect` does the same after a model's first
    run, if TFZOO_PREPARE=0 or --no-prepare do not forbid it.

    Example: tfzoo prepare "ssd mobilenet v2 320x320"
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.store.models import expanded, get_model
    from tfzoo.trials.occasion import prepare_model

    rows = []
    for name in expanded(names):
        with progress_bar("preparing", "") as bar:
            choice = prepare_model(
                name, again=again, precision=precision, calibrate=calibrate, on_step=bar.step
            )
        model = get_model(name)
        rows.append({"model": model.id, **choice_json(choice)})
        if not as_json:
            out.print(model.id, style="bold")
            print_choice(choice)
    if as_json:
        print_json(rows)


def prepare_afterwards(model: str, runtime: str, device: str) -> None:
    """Prepares a model whose results are there already, where that was not done yet.

    Whatever goes wrong is told and no more: nobody asked for it. Ctrl-C ends it.
    """
    from tfzoo.cli.progress import progress_bar
    from tfzoo.store.models import get_model
    from tfzoo.trials.occasion import prepare_model, why_prepare

    first = device.split(",")[0]
    if (why := why_prepare(get_model(model), runtime, first)) is None:
        return
    # Whoever waits for the results in a pipe has them now.
    sys.stdout.flush()
    err.print(
        f"Preparing {model} {why}; once, for some seconds. Ctrl-C ends it and harms nothing; "
        "--no-prepare leaves it out.",
        soft_wrap=True,
    )
    try:
        with progress_bar("preparing", "") as bar:
            choice = prepare_model(model, device=first, again=True, on_step=bar.step)
    except (KeyboardInterrupt, Exception) as error:  # As it says: whatever.
        why_not = "; the results are kept." if is_stop(error) else f": {error}"
        err.print(f"Not prepared{why_not}", soft_wrap=True)
    else:
        best = choice.best()
        err.print(f"auto opens it with {best.runtime} from now on.")


def choice_json(choice: Choice) -> dict[str, Any]:
    """What was measured, and what follows from it, as JSON values."""
    return {
        "runtime": choice.best().runtime,
        "reason": choice.reason(),
        "runtime_by_images": {str(n): choice.best(n).runtime for n in _EXAMPLES},
        **asdict(choice),
    }


def print_choice(choice: Choice) -> None:
    """Prints what was tried, at what cost, and what `auto` takes for how many images."""
    table = plain_table()
    table.add_column("runtime")
    table.add_column("version")
    for title in ("opens in s", "ms an image", "+/-", "images/s"):
        table.add_column(title, justify="right")
    table.add_column("agrees")
    table.add_column("")
    for trial in choice.trials:
        spread = "" if trial.spread is None else f"{trial.spread / 2:.0%}"
        figures = [trial.open_s, trial.latency_ms, trial.images_per_s]
        opens, latency, speed = ("" if x is None else f"{x:.3g}" for x in figures)
        agrees = "yes" if trial.agrees else "no"
        row = (trial.runtime, trial.version, opens, latency, spread, speed, agrees)
        table.add_row(*row, trial.reason)
    out.print(table)
    for images in _EXAMPLES:
        count = "1 image" if images == 1 else f"{images} images"
        best = choice.best(images)
        if best.offered:
            seconds = f"{best.seconds(images):.2g} s in all"
            out.print(f"auto takes {best.runtime} for {count}: {seconds}")
    out.print(f"Why: {choice.reason()}")
    if choice.int8 is not None:
        _print_int8(choice.int8)
    if choice.date:
        out.print(f"Measured {choice.date}")
    if choice.provisional:
        out.print(
            f"Provisional: {choice.provisional}. It is measured again when the machine is quiet; "
            "now: tfzoo prepare --again",
        )


def _print_int8(known: Mapping[str, Any]) -> None:
    """Prints what the int8 form costs and gains."""
    size, speed = known["size_mb"], known["images_per_s"]
    agreement = "nothing was found" if known["map"] is None else f"mAP {known['map']:.3f}"
    out.print(
        f"int8, calibrated on {known['images']} images of {known['folder']}: {agreement} with full "
        f"precision taken as true, on {known['kept_back']} images kept back; {size['int8']:.3g} MB "
        f"for {size['float32']:.3g}, {speed['int8']:.3g} images/s for {speed['float32']:.3g}. Used "
        "only with --precision int8.",
    )


def print_check(check: dict[str, Any]) -> None:
    """Prints how a sample compares with TensorFlow's detections."""
    agrees = "agrees with TensorFlow" if check["agrees"] else "does not agree with TensorFlow"
    style = None if check["agrees"] else "bold"
    text = f"Checked {check['images']} images: {agrees}; {check['reason']}"
    out.print(text, style=style, soft_wrap=True)
    for image in check["differing"][:_SHOWN]:
        out.print(
            f"  {image['file_name']}: vanished {image['vanished']}, appeared {image['appeared']}, "
            f"{image['crossed']} crossed the threshold",
            soft_wrap=True,
        )
    if (more := len(check["differing"]) - _SHOWN) > 0:
        out.print(f"  and {more} images more (all: --json)")
