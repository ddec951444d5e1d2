"""Measuring in turn, quiet and beside a load, and rows of Markdown that lay one beside another."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

# Ends by itself too, where the measuring process was killed and can't end it.
_BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


class NotRun(Exception):
    """A program failed: with the last line that it said."""


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a program; what it printed.

    Raises:
        NotRun: It failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise NotRun(reason(done.stderr))
    return done.stdout


def reason(errors: str) -> str:
    """The line of an error output that says most: of a framed message its first, else the last."""
    lines = [line.strip("│╭╮╰╯─ ") for line in errors.splitlines()]
    lines = [line for line in lines if line]
    if "Error" in lines:
        return lines[lines.index("Error") + 1]
    return lines[-1] if lines else "it failed and said nothing"


def call(*command: str | Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs a program whose last line is JSON."""
    found: dict[str, Any] = json.loads(run(*command, environment=environment).splitlines()[-1])
    return found


def seconds_of(*command: str | Path, environment: Mapping[str, str] | None = None) -> float:
    """Wall seconds of a whole command."""
    started = time.perf_counter()
    run(*command, environment=environment)
    return time.perf_counter() - started


def in_turn(repeats: int, **measures: Callable[[], Any]) -> dict[str, list[Any]]:
    """Takes each measure, one after the other, again and again: a busy machine disturbs all."""
    taken: dict[str, list[Any]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


@contextlib.contextmanager
def load(name: str) -> Iterator[None]:
    """`quiet`, or `busy`: beside a process that keeps one core busy."""
    if name == "quiet":
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def shown(values: list[float], unit: str) -> str:
    """Median, least and most."""
    return f"{median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g})"


def head() -> None:
    """Prints the head of the table."""
    print("| what | ours | against | ratio | aim |\n| --- | --- | --- | --- | --- |", flush=True)


def row(what: str, ours: str, against: str = "", ratio: float | None = None, aim: str = "") -> None:
    """Prints a row."""
    print(f"| {what} | {ours} | {against} | {'' if ratio is None else f'{ratio:.3g}'} | {aim} |",
          flush=True)  # fmt: skip


def compared(
    what: str, ours: list[float], name: str, against: list[float], unit: str, aim: str = ""
) -> None:
    """Prints a row of the ratio of two medians."""
    ratio = median(ours) / median(against)
    row(what, shown(ours, unit), f"{name}: {shown(against, unit)}", ratio, aim)


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
