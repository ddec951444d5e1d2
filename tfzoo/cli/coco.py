"""`tfzoo coco`: the images and annotations that the zoo's figures were reported on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfzoo.cli.console import OfflineOption

app = typer.Typer(
    no_args_is_help=True, help="Images and annotations of COCO, to measure accuracy on."
)


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(metavar="SET", help="val2017.")] = "val2017",
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder to fetch into; where evaluate looks first if left out."
        ),
    ] = None,
    offline: OfflineOption = False,
) -> None:
    """Fetch a set of COCO: images and annotations, checked by digest, 1.1 GB.

    What is there is not fetched again; a download that broke off goes on where it was. Prints the
    folder, for: tfzoo evaluate NAME --coco DIR

    Example: tfzoo coco fetch val2017 --to ~/coco
    """
    from tfzoo.accuracy.coco_fetch import fetch_coco
    from tfzoo.store.progress import ProgressBar

    with ProgressBar() as bar:
        folder = fetch_coco(name, to, report=bar)
    sys.stdout.write(f"{folder}\n")
