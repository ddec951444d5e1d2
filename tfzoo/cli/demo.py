"""`tfzoo demo`: see it work, with the real thing where it can be had."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from tfzoo.cli.console import err, out, plain_table
from tfzoo.errors import UsageError
from tfzoo.network import open_client

#: The zoo's smallest COCO detector, taken where it can be had.
REAL_MODEL = "SSD MobileNet v2 320x320"
#: Seconds the zoo has to answer before the embedded model is taken.
PATIENCE_S = 4.0
#: Pictures in the printed table.
ROWS = 12


def demo_command(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Pictures of your own; else the packaged scenes."),
    ] = None,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where the results go.")
    ] = Path("tfzoo_demo"),
) -> None:
    """See it work: detect a folder of pictures and show what was found.

    Takes the zoo's SSD MobileNet v2 if it is cached or the zoo answers within a few seconds, else
    the small model that comes with the package; says which and why.

    Example: tfzoo demo, or: tfzoo demo photos
    """
    from tfzoo.batch.folder import detect_folder
    from tfzoo.zoo.manifest import DEFAULT_MODEL, packaged_scenes

    reason = _why_not_real()
    if reason is None:
        model, why = REAL_MODEL, "the zoo's own"
    else:
        model, why = DEFAULT_MODEL, f"embedded, trained on drawn scenes alone, because {reason}"
    pictures = folder or packaged_scenes()
    err.print(f"Model: {model} ({why}).")
    with err.status(f"detecting {pictures}"):
        summary = detect_folder(pictures, model, out_folder, recursive=True, overwrite=True)
    _print_found(out_folder)
    out.print(
        f"{summary.images} pictures, {summary.detections} detections, "
        f"{summary.images_per_s:.1f} images/s with {summary.runtime} on {summary.device}."
    )
    out.print(f"Look at the pictures: {out_folder / 'annotated'}")
    out.print(f"The data: {out_folder / 'detections.json'}, detections.csv")
    raise typer.Exit(summary.exit_code)


def _why_not_real() -> str | None:
    """Why the zoo's own model is not taken, or None where it can be had."""
    import httpx

    from tfzoo.settings import offline
    from tfzoo.store.models import describe
    from tfzoo.zoo.manifest import find_model

    spec = find_model(REAL_MODEL)
    if describe(spec) is not None:
        return None
    if offline():
        return "downloads are switched off"
    with err.status("asking the zoo"):
        try:
            with open_client(timeout=PATIENCE_S, follow_redirects=True) as client:
                answer = client.head(spec.sources[0].url)
        except httpx.HTTPError:
            return f"the zoo does not answer within {PATIENCE_S:g} s"
        except UsageError as error:
            return f"the zoo can't be asked: {error}"
    return None if answer.is_success else f"the zoo answers {answer.status_code}"


def _print_found(folder: Path) -> None:
    from tfzoo.detections.labels import COCO, category_name

    images = json.loads((folder / "images.json").read_text())
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for row in json.loads((folder / "detections.json").read_text()):
        found[row["image_id"]][category_name(COCO, row["category_id"])] += 1
    table = plain_table("picture", "found")
    for image in islice(images, ROWS):
        counts = found[image["image_id"]].most_common()
        table.add_row(image["file_name"], ", ".join(f"{n} {name}" for name, n in counts))
    out.print(table)
    if len(images) > ROWS:
        out.print(f"... and {len(images) - ROWS} more", style="dim")
