"""Processes of our own beside this one: what they find, and how they ended."""

from __future__ import annotations

import os
import signal

from tfzoo.settings import PACKAGE


def environment() -> dict[str, str]:
    """This process's environment, in which Python finds tfzoo even where it is not installed."""
    home = str(PACKAGE.parent)
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def how_it_ended(returncode: int, stderr: str) -> str:
    """How a process ended that gave no answer, in words.

    Args:
        returncode: Negative is the number of the signal that ended it.
        stderr: What it wrote there.
    """
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = "; probably out of memory" if name == "SIGKILL" else ""
        return f"the process was killed by {name}{hint}"
    last = stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"the process ended with exit code {returncode}: {last[0]}"
