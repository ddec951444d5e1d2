"""`tfzoo table`: reported figures beside measured ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tfzoo.cli.console import ManifestOption, ResultsOption, err
from tfzoo.zoo.manifest import load_manifest


def table_command(
    form: Annotated[
        Literal["md", "csv", "json", "html"],
        typer.Option("--format", help="Markdown, a sortable page, or all columns as CSV or JSON."),
    ] = "md",
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show what one runtime measured, such as openvino, or `all` of them: a line each. "
            "[default: of each model the most complete measurement]",
        ),
    ] = None,
    results: ResultsOption = Path("results"),
    manifest: ManifestOption = None,
) -> None:
    """Lay what was measured beside what was reported, for every model of the zoo.

    Example: tfzoo table --format csv > table.csv
    """
    from tfzoo.report.table import build_table
    from tfzoo.report.table_text import render

    table = build_table(load_manifest(), results, runtime)
    sys.stdout.write(render(table, form))
    for warning in table.warnings:
        err.print(f"warning: {warning}", style="yellow", soft_wrap=True)
