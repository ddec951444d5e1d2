"""Processes of our own beside this one: what they find, and how they end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

from tfzoo.settings import PACKAGE

#: Linux's number for the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1
#: A process that was told to end has so many seconds to do it.
_PATIENCE_S = 5.0
#: Tells a process of ours which process started it.
_PARENT = "TFZOO_PARENT"


def environment() -> dict[str, str]:
    """This process's environment, in which Python finds tfzoo even where it is not installed."""
    home = str(PACKAGE.parent)
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, _PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Ends this process, one of our own, when that which started it ends, however it does.

    Linux alone knows such a wish; elsewhere a parent that was killed leaves it to finish its work.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(os.environ.get(_PARENT, os.getppid())):
            sys.exit("whoever started this process has ended")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, whatever it is doing."""
    process.terminate()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
