"""Processes of our own beside this one: what they find, and how they end."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Any

from tfzoo import errors
from tfzoo.errors import MeasurementError, TfzooError
from tfzoo.settings import PACKAGE

#: Linux's number for the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1
#: A process that was told to end has so many seconds to do it.
_PATIENCE_S = 5.0
#: How often whoever waits for an answer looks about, in seconds.
_BEAT_S = 0.1
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


def answer_of(
    module: str,
    request: Any,
    *,
    on_told: Callable[[Any], None] = lambda told: None,
    on_beat: Callable[[subprocess.Popen[bytes]], None] = lambda process: None,
    timeout_s: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Any:
    """Asks one thing of a fresh process, `python -m MODULE`, which answers by `answer`, and ends.

    Args:
        module: Calls `answer` when it is run.
        request: What is asked; it is pickled.
        on_told: Is handed whatever the process tells before its answer.
        on_beat: Called with the process some times a second while it is waited for. Whatever it
            raises ends the process, and the waiting.
        timeout_s: How long is waited, in seconds; None: as long as it takes.
        variables: Added to its environment.

    Returns:
        The answer, as JSON holds it.

    Raises:
        TfzooError: As it was raised there; a `MeasurementError` where the process gave no answer.
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    with ExitStack() as stack:
        words = stack.enter_context(TemporaryFile())
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment() | dict(variables or {}),
        )
        stack.callback(end, process)
        assert process.stdin is not None and process.stdout is not None
        lines: SimpleQueue[bytes | None] = SimpleQueue()
        Thread(target=_hand_on, args=(process.stdout, lines), daemon=True).start()
        with suppress(OSError):  # It has ended: how is told below.
            pickle.dump(request, process.stdin)
            process.stdin.close()
        while (line := _next(lines, process, on_beat, until, timeout_s)) is not None:
            kind, value = json.loads(line)
            if kind == "answer":
                return value
            if kind != "told":
                raise getattr(errors, kind, TfzooError)(value)
            on_told(value)
        code = process.wait()
        words.seek(0)
        said = words.read().decode(errors="replace")
    raise MeasurementError(how_it_ended(code, said))


def _hand_on(pipe: IO[bytes], lines: SimpleQueue[bytes | None]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(None)


def _next(
    lines: SimpleQueue[bytes | None],
    process: subprocess.Popen[bytes],
    on_beat: Callable[[subprocess.Popen[bytes]], None],
    until: float | None,
    timeout_s: float | None,
) -> bytes | None:
    """The next line that a process says, or None when it says no more."""
    while True:
        with suppress(Empty):
            return lines.get(timeout=_BEAT_S)
        on_beat(process)
        if until is not None and time.monotonic() > until:
            raise MeasurementError(f"gave up after {timeout_s:g} s")


def answer(work: Callable[[Any, Callable[[Any], None]], Any]) -> None:
    """Answers what `answer_of` asks: to be called by a module of ours that is run as a process.

    Args:
        work: Is handed the request, and what tells of how far things are; gives the answer. All
            that it tells and gives is what JSON holds. A failure of ours is an answer too.
    """
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever libraries print must not stand between the answers.
    os.dup2(2, 1)

    def say(kind: str, value: Any) -> None:
        answers.write(json.dumps([kind, value], allow_nan=False) + "\n")
        answers.flush()

    try:
        say("answer", work(pickle.load(sys.stdin.buffer), lambda told: say("told", told)))
    except TfzooError as error:
        say(type(error).__name__, str(error))
