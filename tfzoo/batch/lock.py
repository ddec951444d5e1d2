"""Who writes into an output folder: one run at a time, which says who it is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tfzoo.errors import OutputError

#: Its lock.
LOCK = ".lock"

#: What a lock that is held begins with.
_BEGINS = b'{"run": '
#: A record is written at once and as long as any other: nobody reads a part of it.
_BYTES = 512


@dataclass(frozen=True)
class Holder:
    """Who holds a folder, or died while it did.

    Attributes:
        run: Id of its run.
        pid: Its process.
        host: The machine of that.
    """

    run: str
    pid: int
    host: str


@dataclass
class Hold:
    """A folder that is held.

    Attributes:
        path: The lock.
        died: Who died while holding it, and may have left something half done; or None.
        stays: Whether a run lies there: its lock is left. One that was refused leaves no trace.
        signed: Whether the run that holds it has put in order what `died` left.
    """

    path: Path
    died: Holder | None
    stays: bool
    signed: bool = False

    def sign(self, run: str) -> None:
        """Says which run holds it, and that what the one that died left is put in order."""
        self.signed = True
        self._write(_myself(run))

    def take(self) -> None:
        """Says who holds it; what the one that died left may be there still."""
        self._write(_myself(self.died.run if self.died else ""))

    def leave(self) -> None:
        """Says that nobody holds it. Whoever ends so, by an error too, leaves nothing half done."""
        if self.stays:
            self._write(None if self.signed else self.died)
        else:
            with suppress(OSError):
                self.path.unlink()

    def _write(self, holder: Holder | None) -> None:
        record = json.dumps(asdict(holder)).encode().ljust(_BYTES) if holder else b""
        # A file of somebody else's serves as a lock, and stays as it is. What can't be written is
        # missed by nobody but who asks.
        with suppress(OSError), self.path.open("r+b") as file:
            if (start := file.read(len(_BEGINS))) and start != _BEGINS:
                return
            file.seek(0)
            file.write(record)
            file.truncate()


def _myself(run: str) -> Holder:
    return Holder(run, os.getpid(), socket.gethostname())


@contextmanager
def locked(out: Path) -> Iterator[Hold]:
    """Holds an output folder, made if need be, against other runs.

    The system frees the lock of a process that dies.

    Raises:
        OutputError: Another run holds it, or it can't be written.
    """
    from filelock import FileLock, Timeout

    path = out / LOCK
    known = path.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        lock.acquire()
    except Timeout:
        holder = _holder(path)
        who = f" (process {holder.pid} on {holder.host})" if holder else ""
        raise OutputError(
            f"another run is writing to {out}{who}; wait for it, or choose another --out"
        ) from None
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{out} is a file; --out takes a folder") from None
    except OSError as error:
        raise OutputError(
            f"output folder {out} can't be written: {error.strerror}. Choose another with --out"
        ) from None
    hold = Hold(path, _holder(path), stays=known)
    try:
        hold.take()
        yield hold
    finally:
        hold.leave()
        lock.release()


def _holder(path: Path) -> Holder | None:
    """Who a lock says that holds it."""
    try:
        with path.open("rb") as file:
            return Holder(**json.loads(file.read(_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
