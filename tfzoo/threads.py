"""Threads of our own: they work for the program, and never keep it from ending.

Python's own pools are waited for when a program ends, for as long as a server or a disk likes.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

#: Seconds that work which was begun has to end when nobody wants it any more.
LINGER_S = 3.0


class Workers:
    """A few threads that call what they are given, in the order in which it was given.

    Args:
        count: How many threads at most.
        name: What they are called.
    """

    def __init__(self, count: int, name: str = "tfzoo") -> None:
        self._count = count
        self._name = name
        self._threads: list[threading.Thread] = []
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Calls a function some time, on one of the threads."""
        future: Future[Result] = Future()
        self._tasks.put((future, lambda: function(*arguments)))
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, call = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # Raised where the result is asked for.
                    future.set_exception(error)
            del task, future, call  # What an idle thread still named would stay in memory.

    def close(self, linger_s: float = LINGER_S) -> None:
        """Begins nothing more, and waits a little for what was begun.

        Args:
            linger_s: What takes longer is left behind, and ends with the program.
        """
        with suppress(Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task[0].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        until = time.monotonic() + linger_s
        for thread in self._threads:
            # A signal may have come before one was started: that one can't be waited for.
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        _left_behind[:] = [one for one in (*_left_behind, *self._threads) if one.is_alive()]


#: Threads of closed pools that were still at work when that was last looked at.
_left_behind: list[threading.Thread] = []


def end_at_once_if_at_work(code: int) -> None:
    """Lets the program end at once if a thread that was left behind is at work till then.

    Libraries crash when a program ends in the usual way while they compute for it. To be called
    when nothing is left to do.

    Args:
        code: What the program exits with.
    """
    if _at_work():
        atexit.register(_end, code)


def _end(code: int) -> None:
    if _at_work():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def _at_work() -> bool:
    return any(thread.is_alive() for thread in _left_behind)


def within(seconds: float | None, function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function gives that may wait for ever, on a thread that is left behind if it does.

    Args:
        seconds: How long it is waited for; None: until a signal ends the waiting.
        function: What is called; it may hold no lock that others need.
        *arguments: What it is called with.

    Raises:
        TimeoutError: It took longer.
    """
    workers = Workers(1, "within")
    try:
        return workers.submit(function, *arguments).result(seconds)
    finally:
        workers.close(linger_s=0)
