"""The command line. Each command's module says what it does; heavy libraries load when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

from tfzoo.cli.console import err
from tfzoo.errors import TfzooError
from tfzoo.version import __version__

#: Where each command is written, in the order in which somebody new needs them.
COMMANDS = {
    "demo": "demo.demo_command",
    "doctor": "doctor.doctor_command",
    "list": "models.list_command",
    "info": "models.info_command",
    "detect": "detect.detect_command",
    "recommend": "chart.recommend_command",
    "chart": "chart.chart_command",
    "evaluate": "evaluate.evaluate_command",
    "benchmark": "benchmark.benchmark_command",
    "table": "table.table_command",
    "reproduce": "reproduce.reproduce_command",
    "fetch": "store.fetch_command",
    "cache": "store.cache_app",
    "coco": "coco.app",
    "prepare": "prepare.prepare_command",
    "export": "prepare.export_command",
}


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported when it is looked up: one waits for no other."""

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name].partition(".")
        found = getattr(import_module(f"tfzoo.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command()(found)
            command = typer.main.get_command(alone)
        command.name = name
        return command


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast(Any, _Commands())


app = typer.Typer(
    name="tfzoo",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pick one of the TF2 Detection Model Zoo's models by name: fetched, verified, cached, "
    "run, measured, and laid beside the figures reported for it.",
    epilog="Exit codes: 0 all good, 1 some images failed, 2 wrong usage, 3 nothing could run.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfzoo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, help="Show the version."
    ),
) -> None: ...


def main() -> None:
    """Runs the command line; an error of ours ends in its message and its exit code."""
    try:
        app()
    except TfzooError as error:
        err.print("error: ", style="bold red", end="")
        err.print(str(error), markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
