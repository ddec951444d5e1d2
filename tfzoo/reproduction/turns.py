"""Whose turn it is on this machine: many compute side by side, or one is timed and nothing else.

Locks in the system's temporary folder hold for all runs of a user on one machine, and are let go of
by whoever ends, however it ends. Whoever wants to time something takes the wish first: who computes
sees it, halts its process where it stands, and goes on when the timing is done. So a timing waits
for nobody, and nobody computes beside it.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

#: How often a turn that is waited for is asked for again, in seconds.
_PATIENCE_S = 0.05

#: A stretch of computing: its beginning and its end, UTC, ISO 8601.
Stretch = tuple[str, str]


class Stopped(Exception):
    """Nobody wants the work any more."""


def go_on() -> None:
    """What a turn asks whether it is still wanted, where it always is."""


class Turn:
    """A turn of one who computes or times; used by one thread.

    Args:
        check: Called while something is waited for; it raises `Stopped` to end that.
        folder: Of the locks.

    Attributes:
        stretches: When it was at work, so far.
    """

    def __init__(self, check: Callable[[], None] = go_on, folder: Path | None = None) -> None:
        from filelock import ReadWriteLock

        user = os.getuid() if hasattr(os, "getuid") else ""
        place = folder or Path(tempfile.gettempdir()) / f"tfzoo-turns-{user}"
        place.mkdir(mode=0o700, exist_ok=True)
        # Locks of one name are one within a process unless told: each turn has its own.
        self._wish = ReadWriteLock(place / "wish.lock", is_singleton=False)
        self._room = ReadWriteLock(place / "room.lock", is_singleton=False)
        self._check = check
        self._began = ""
        self.stretches: list[Stretch] = []

    @contextmanager
    def shared(self) -> Iterator[None]:
        """To compute beside others that do, and never beside a timing."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def heed(self, process: subprocess.Popen[bytes]) -> None:
        """To be called some times a second while a process computes: halts it for a timing."""
        self._check()
        if _taken(self._wish.acquire_read):
            self._wish.release()
            return
        _halt(process)
        try:
            self._leave()
            self._enter()
        finally:
            _wake(process)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """To time something: nothing else of ours computes on this machine meanwhile."""
        self._await(self._wish.acquire_write)
        try:
            self._await(self._room.acquire_write)
            self._began = _now()
            try:
                yield
            finally:
                self._leave()
        finally:
            self._wish.release()

    def _enter(self) -> None:
        # Through the wish: who wants to time something comes before who begins to compute.
        self._await(self._wish.acquire_read)
        try:
            self._await(self._room.acquire_read)
        finally:
            self._wish.release()
        self._began = _now()

    def _leave(self) -> None:
        """Leaves the room, if this is in it."""
        if self._began:
            self.stretches.append((self._began, _now()))
            self._began = ""
            self._room.release()

    def _await(self, acquire: Callable[..., object]) -> None:
        while not _taken(acquire):
            self._check()
            time.sleep(_PATIENCE_S)


def _taken(acquire: Callable[..., object]) -> bool:
    from filelock import Timeout

    try:
        acquire(blocking=False)
    except Timeout:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _halt(process: subprocess.Popen[bytes]) -> None:
    """Halts a process with all that it started."""
    import psutil

    with suppress(psutil.Error):  # What has ended computes no more.
        parent = psutil.Process(process.pid)
        parent.suspend()  # First, so that it starts no other.
        for child in parent.children(recursive=True):
            with suppress(psutil.Error):
                child.suspend()


def _wake(process: subprocess.Popen[bytes]) -> None:
    """Lets what was halted go on."""
    import psutil

    with suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        for one in [*parent.children(recursive=True), parent]:
            with suppress(psutil.Error):
                one.resume()
