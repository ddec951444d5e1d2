"""What all commands share: where they print, options of one meaning, errors to exit codes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tfzoo.cli.options import written
from tfzoo.options import DEVICE, RUNTIME
from tfzoo.settings import OFFLINE_VARIABLE
from tfzoo.zoo.manifest import MANIFEST_VARIABLE

if TYPE_CHECKING:
    from rich.table import Table

#: Results go to standard output, everything meant for a person's eyes only to standard error.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False)


def plain_table(*titles: str) -> Table:
    """A table without borders, its columns set apart by space."""
    from rich.table import Table

    return Table(*titles, box=None, header_style="bold", pad_edge=False)


def print_json(value: Any) -> None:
    """Prints a value as JSON on standard output; no figure is null, never NaN."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _add_manifest(path: str | None) -> str | None:
    if path is not None:
        given = os.environ.get(MANIFEST_VARIABLE)
        os.environ[MANIFEST_VARIABLE] = os.pathsep.join(filter(None, [given, path]))
    return path


ManifestOption = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help=f"Add the models of a manifest of your own (also: {MANIFEST_VARIABLE}).",
        callback=_add_manifest,
        is_eager=True,
    ),
]


def _go_offline(wanted: bool) -> bool:
    if wanted:
        os.environ[OFFLINE_VARIABLE] = "1"
    return wanted


OfflineOption = Annotated[
    bool,
    typer.Option(
        "--offline",
        help=f"Download nothing; use what is cached (also: {OFFLINE_VARIABLE}=1).",
        callback=_go_offline,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of a table.")
]
DeviceOption = Annotated[str, written(DEVICE)]
RuntimeOption = Annotated[str, written(RUNTIME)]
ResultsOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the measurements, such as accuracy.csv.")
]
