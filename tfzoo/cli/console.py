"""What all commands share: where they print, options of one meaning, errors to exit codes.

All that people read goes through `out`, `err` and `print_json`: there, text from outside becomes
what a terminal may show. Names are shown as they are, never as mark-up; what is to have a style is
given one.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from rich.console import Console, RenderableType

from tfzoo.cli.options import written
from tfzoo.errors import OutputError
from tfzoo.options import RESULTS
from tfzoo.outside import public, shown, shown_json
from tfzoo.settings import OFFLINE_VARIABLE, VERIFY_VARIABLE
from tfzoo.zoo.manifest import MANIFEST_VARIABLE

if TYPE_CHECKING:
    from rich.status import Status
    from rich.table import Table
    from rich.text import Text


class Terminal(Console):
    """A console for text from anywhere: it reads no mark-up in it, and nothing in it steers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text that is printed, or a cell of a table, as it may be shown."""
        return super().render_str(shown(public(text)), **options)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """What is being done, with something that turns meanwhile."""
        # Of a text alone, the spinner would read the mark-up.
        return super().status(
            self.render_str(status) if isinstance(status, str) else status, **options
        )


class _Output(io.FileIO):
    """Standard output, whose failure is told from that of a file."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # The reader (head, less) has seen enough.
            raise
        except OSError as error:
            silence_output()
            raise OutputError(
                f"standard output can't be written: {error.strerror}. Files that were written are "
                "whole; lead the output elsewhere, such as into a file on a disk with room"
            ) from error


class _Asides(io.FileIO):
    """Standard error, which no command depends on."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


def silence_output() -> None:
    """Lets standard output go nowhere: nobody takes it, and Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Opens the standard streams that whoever started this process has closed.

    Files that are opened later would get their numbers, and whatever prints would write into them.
    """
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            # Of the output somebody should know that it went nowhere: writing it fails.
            number = os.open(os.devnull, flags)
            os.set_inheritable(number, True)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
    sys.stdout, sys.stderr = _through(_Output, sys.stdout), _through(_Asides, sys.stderr)


def _through(kind: type[io.FileIO], stream: TextIO) -> TextIO:
    """A standard stream that is written by way of a class of ours."""
    if type(stream) is not io.TextIOWrapper:  # Somebody listens in, such as a test.
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(kind(stream.fileno(), "w", closefd=False)),
        stream.encoding,
        # What a terminal has no letters for is shown by its number.
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


_open_streams()

#: Results go to standard output, everything meant for a person's eyes only to standard error.
out = Terminal(width=None if sys.stdout.isatty() else 120)
err = Terminal(stderr=True)


class _Shown(logging.Handler):
    """Shows what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"{record.levelname.lower()}: {self.format(record)}", soft_wrap=True)


_shown = _Shown(logging.WARNING)


def _show_warning(message: Warning | str, *_: Any) -> None:
    err.print(f"warning: {message}", soft_wrap=True)


def show_warnings() -> None:
    """Shows our own log and Python's warnings as all else is shown, without a place in the code."""
    logging.getLogger("tfzoo").addHandler(_shown)
    warnings.showwarning = cast(Any, _show_warning)


def plain_table(*titles: str) -> Table:
    """A table without borders, its columns set apart by space."""
    from rich.table import Table

    return Table(*titles, box=None, header_style="bold", pad_edge=False)


def print_json(value: Any) -> None:
    """Prints a value as JSON on standard output; no figure is null, never NaN."""
    print_line(value, indent=2)


def print_line(value: Any, indent: int | None = None) -> None:
    """As `print_json`, in one line, which a reader in a pipe has at once."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(f"{shown_json(text)}\n")
    sys.stdout.flush()


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


def _verify_all(wanted: bool) -> bool:
    if wanted:
        os.environ[VERIFY_VARIABLE] = "1"
    return wanted


VerifyOption = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Read every byte of a cached model before it is opened, and compare it with what was "
        f"unpacked (also: {VERIFY_VARIABLE}=1).",
        callback=_verify_all,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of a table.")
]
ResultsOption = Annotated[Path, written(RESULTS)]
