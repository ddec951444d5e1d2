"""`tfzoo doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tfzoo.cli.console import JsonOption, err, out, print_json


def doctor_command(as_json: JsonOption = False) -> None:
    """Look at this machine: versions, devices, cache, sources; each problem with its remedy.

    Exits 0 where models can be run, 3 where they can't.
    """
    from tfzoo.doctor import can_run, examine

    findings = []
    colours = {"ok": "green", "note": "yellow", "problem": "red"}
    with err.status("asking TensorFlow and the sources"):
        for finding in examine():
            findings.append(finding)
            if not as_json:
                out.print(f"{finding.status:7}", style=colours[finding.status], end=" ")
                out.print(finding.name, end=": ")
                out.print(finding.detail, soft_wrap=True)
                if finding.remedy:
                    out.print(f"          to do: {finding.remedy}", soft_wrap=True)
    runs = can_run(findings)
    if as_json:
        print_json({"can_run": runs, "findings": [asdict(finding) for finding in findings]})
    elif runs:
        out.print("Models can be run here.", style="bold green")
    else:
        out.print("Something is missing: see the problems above.", style="bold red")
    if not runs:
        raise typer.Exit(3)
