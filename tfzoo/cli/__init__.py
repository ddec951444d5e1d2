"""The command line. Each command's module says what it does; heavy libraries load when it runs."""

from __future__ import annotations

import os
import sys

import typer

from tfzoo import __version__
from tfzoo.cli import (
    benchmark,
    chart,
    coco,
    demo,
    detect,
    doctor,
    evaluate,
    models,
    prepare,
    store,
    table,
)
from tfzoo.cli.console import err
from tfzoo.errors import TfzooError

app = typer.Typer(
    name="tfzoo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pick one of the TF2 Detection Model Zoo's models by name: fetched, verified, cached, "
    "run, measured, and laid beside the figures reported for it.",
    epilog="Exit codes: 0 all good, 1 some images failed, 2 wrong usage, 3 nothing could run.",
)
# In the order in which somebody new needs them.
app.command("demo")(demo.demo_command)
app.command("doctor")(doctor.doctor_command)
app.command("list")(models.list_command)
app.command("info")(models.info_command)
app.command("detect")(detect.detect_command)
app.command("recommend")(chart.recommend_command)
app.command("chart")(chart.chart_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("benchmark")(benchmark.benchmark_command)
app.command("table")(table.table_command)
app.command("fetch")(store.fetch_command)
app.add_typer(store.cache_app, name="cache")
app.add_typer(coco.app, name="coco")
app.command("prepare")(prepare.prepare_command)
app.command("export")(prepare.export_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfzoo {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
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
