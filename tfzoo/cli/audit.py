"""`tfzoo audit`: what a model may do, before it is opened."""

from __future__ import annotations

from typing import Annotated

import typer

from tfzoo.cli.completion import models
from tfzoo.cli.console import JsonOption, ManifestOption, OfflineOption, out, print_json
from tfzoo.safety.findings import Audit


def audit_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=models,
            help="A model by name or path, a .tflite or .pb file.",
        ),
    ],
    offline: OfflineOption = False,
    as_json: JsonOption = False,
    manifest: ManifestOption = None,
) -> None:
    """Tell what a model may do, before it is opened: does it only compute?

    A model is a program. Its operations, those of its functions and of graphs within, are held
    against a closed list; what reads or writes files, starts code or is unknown is named with its
    node. Nothing of the model is run.

    Exits 0 where nothing dangerous is found, 3 where something is, or where it can't be read.

    Example: tfzoo audit downloads/saved_model
    """
    from tfzoo.safety.looking import audit

    found = audit(model, offline=offline or None)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if found.dangerous:
        raise typer.Exit(3)


def _print(found: Audit) -> None:
    for finding in found.findings:
        out.print(f"{finding.danger:8}", style="bold red", end="")
        out.print(str(finding), soft_wrap=True)
    nodes = f"{sum(found.operations.values())} nodes of {len(found.operations)} operations"
    verdict = (
        f"{len(found.findings)} dangerous things found: open it only if you trust its source"
        if found.findings
        else "nothing in it but what computes"
    )
    out.print(f"{found.path} ({found.form}, {nodes}): {verdict}", soft_wrap=True)
