"""What stops a command from outside, and how it ends then: Ctrl-C, SIGTERM, SIGHUP.

A signal is raised as KeyboardInterrupt in the main thread, so that whatever is open closes itself:
results are sealed, children ended, temporary folders removed. The main thread may be inside of a
library that does not come back for a minute: that is waited for some seconds, and no longer.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from tfzoo.cli.console import err
from tfzoo.errors import OutputError

#: How long a command may take to close what is open, in seconds.
PATIENCE_S = 8.0

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Stop:
    """Whether a command was told to stop.

    Attributes:
        number: Of the signal that told it, or None.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def code(self, code: int) -> int:
        """What the process exits with, as shells expect it: 128 and the signal's number.

        Args:
            code: What the command ended with. It counts where the command had an end of its own
                for Ctrl-C.
        """
        return code if self.number in (None, signal.SIGINT) else 128 + int(self.number)


#: What tells whether this process was told to stop.
_stop = Stop()


@contextmanager
def stop_told(*lines: str) -> Iterator[None]:
    """Tells what was kept and how to go on, where a signal ends what is done inside.

    A signal comes between any two steps, also of a library's: what it leaves half done may end
    with another error than KeyboardInterrupt. Once one has come, any error is its doing, but that
    results can't be written: that is true whatever came before.

    Args:
        *lines: What is printed, on standard error.

    Raises:
        KeyboardInterrupt: A signal has come.
    """
    try:
        yield
    except BaseException as error:
        if not is_stop(error):
            raise
        for line in lines:
            err.print(line, soft_wrap=True)
        raise KeyboardInterrupt from error


def is_stop(error: BaseException) -> bool:
    """Whether an error is a signal's doing; see `stop_told`."""
    if isinstance(error, KeyboardInterrupt):
        return True
    return _stop.number is not None and not isinstance(error, OutputError)


@contextmanager
def heeded() -> Iterator[Stop]:
    """Heeds the signals that ask a command to stop; call it in the main thread.

    Once one has come, whoever called it closes what is open and calls `end`.
    """
    stop = _stop
    stop.number = None

    def heed(number: int, frame: FrameType | None) -> None:
        # Once is enough: `timeout` sends it to a process and again to its group.
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        stop.number = number
        raise KeyboardInterrupt

    # What is switched off already stays so: nohup does that, and shells to what runs behind.
    before = {n: signal.getsignal(n) for n in _SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    wakeups, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(wakeups,), daemon=True).start()
    for number in before:
        signal.signal(number, heed)
    try:
        yield stop
    finally:
        if stop.number is None:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)
            os.close(woken)


def _end_in_time(wakeups: int) -> None:
    """Ends the process some seconds after a signal; it is told of it whatever the others do."""
    while told := os.read(wakeups, 1):
        if told[0] in _SIGNALS:
            time.sleep(PATIENCE_S)
            end(128 + told[0])
    os.close(wakeups)


def end(code: int) -> NoReturn:
    """Ends this process with its children and its temporary folders; waits for no thread."""
    try:
        # Python keeps what is to be done at its end, but would wait for all threads before.
        atexit._run_exitfuncs()
        import psutil

        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
        err.show_cursor()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
