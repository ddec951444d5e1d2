"""`tfzoo report`: what was measured, on one page or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfzoo.cli.console import JsonOption, ManifestOption, err, print_json


def report_command(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RESULTS]...",
            help="Folders of measurements, of several machines or runs. [default: results]",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where to: index.html and index.md.")
    ] = Path("report"),
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Write the report of what was measured: verdicts, chart, table, and how to repeat each row.

    The page loads nothing from anywhere. Rows of several folders, machines and runtimes are told
    apart by menus.

    Example: tfzoo report results results-of-the-server --out report
    """
    from tfzoo.report.report_files import check_out, read_report, save_report

    folders = results or [Path("results")]
    if as_json:
        print_json(read_report(folders).to_json())
        return
    check_out(out)
    path = save_report(read_report(folders), out)
    err.print(f"wrote {path} and {path.with_suffix('.md').name}", soft_wrap=True)
