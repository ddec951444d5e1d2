"""Writes docs/cli.md from the command line itself: python docs/build_cli_reference.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from tfzoo.cli.main import app

REFERENCE = Path(__file__).parent / "cli.md"


def commands(command: Any, name: str = "tfzoo") -> Iterator[tuple[str, Any]]:
    """Every command below one, with its full name, groups left out."""
    for child_name, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from commands(child, f"{name} {child_name}")
        else:
            yield f"{name} {child_name}", child


def undocumented() -> list[str]:
    """Commands, options and arguments without a help text."""
    missing = []
    for name, command in commands(typer.main.get_command(app)):
        if not command.help:
            missing.append(name)
        missing += [
            f"{name} {parameter.opts[0]}"
            for parameter in command.params
            if not getattr(parameter, "help", None)
        ]
    return missing


def render() -> str:
    """The whole reference as Markdown."""
    lines = [
        "# Command line",
        "",
        "Written by `python docs/build_cli_reference.py` from the commands' own help.",
        "",
        "Exit codes: 0 all good, 1 some images failed, 2 wrong usage, 3 nothing could run.",
    ]
    for name, command in commands(typer.main.get_command(app)):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option"]
        usage = " ".join([name, *(_argument(p) for p in arguments), "[OPTIONS]"])
        lines += ["", f"## `{name}`", "", "```", usage, "```", "", command.help.strip(), ""]
        if command.params:
            lines += ["| | | default |", "| --- | --- | --- |"]
        for parameter in (*arguments, *options):
            spelled = _argument(parameter) if parameter in arguments else ", ".join(parameter.opts)
            if parameter.secondary_opts:
                spelled += " / " + ", ".join(parameter.secondary_opts)
            default = parameter.default
            shown = "" if default in (None, False, True, [], ()) or callable(default) else default
            text = " ".join((parameter.help or "").split()).replace("|", "\\|")
            lines.append(f"| `{spelled}` | {text} | {shown} |")
    return "\n".join(lines) + "\n"


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else str(name)


if __name__ == "__main__":
    REFERENCE.write_text(render())
