"""The command line. Each command's module says what it does; heavy libraries load when it runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup, TyperOption

from tfzoo.cli import stopping
from tfzoo.cli.console import show_warnings, silence_output
from tfzoo.settings import DEBUG_VARIABLE, TRUST_VARIABLE
from tfzoo.threads import end_at_once_if_at_work
from tfzoo.version import __version__

#: Where each command is written, in the order in which somebody new needs them.
COMMANDS = {
    "demo": "demo.demo_command",
    "doctor": "doctor.doctor_command",
    "list": "models.list_command",
    "info": "models.info_command",
    "detect": "detect.detect_command",
    "gallery": "gallery.gallery_command",
    "recommend": "recommend.recommend_command",
    "chart": "chart.chart_command",
    "evaluate": "evaluate.evaluate_command",
    "compare": "compare.compare_command",
    "benchmark": "benchmark.benchmark_command",
    "table": "table.table_command",
    "report": "report.report_command",
    "reproduce": "reproduce.reproduce_command",
    "audit": "audit.audit_command",
    "fetch": "store.fetch_command",
    "cache": "store.cache_app",
    "coco": "coco.app",
    "prepare": "prepare.prepare_command",
    "export": "export.export_command",
}


#: The switches that every command takes, wherever they stand: flag, what it sets, help.
_SWITCHES = (
    ("--debug", DEBUG_VARIABLE, "Show the traceback of an error"),
    ("--trust", TRUST_VARIABLE, "Open models that nothing vouches for whatever they may do"),
)


def _switches() -> list[TyperOption]:
    def option(flag: str, variable: str, about: str) -> TyperOption:
        return TyperOption(
            param_decls=[flag],
            is_flag=True,
            default=False,
            expose_value=False,
            callback=lambda context, option, wanted: _set(variable, wanted),
            help=f"{about} (also: {variable}=1).",
        )

    return [option(*switch) for switch in _SWITCHES]


def _set(variable: str, wanted: bool) -> None:
    if wanted:
        os.environ[variable] = "1"


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
        for one in getattr(command, "commands", {name: command}).values():
            one.params += _switches()
        return command


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.params += _switches()
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
    """Runs the command line; whatever goes wrong ends in a message and an exit code."""
    show_warnings()
    with stopping.heeded() as stop:
        code = _run()
        if stop.number is not None:
            stopping.end(stop.code(code))
    end_at_once_if_at_work(code)
    sys.exit(code)


def _run() -> int:
    """Runs the command that was asked for; gives what it exits with."""
    try:
        try:
            app()
        except SystemExit as ended:
            if isinstance(ended.__context__, BrokenPipeError):
                raise ended.__context__ from None
            code = int(ended.code or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        silence_output()
        return 0
    except KeyboardInterrupt:  # Outside of the command itself, which typer ends.
        return 128 + signal.SIGINT
    except Exception as error:
        if stopping.is_stop(error):
            return 128 + signal.SIGINT
        from tfzoo.cli.failures import tell

        return tell(error, next(filter(COMMANDS.__contains__, sys.argv[1:]), ""))
