"""Folders that are whole, or not there.

A folder is filled under a temporary name, flushed to the disk and renamed to its own: whoever
looks, under no lock, sees the whole of it or nothing. A leading dot hides what is half-done.
"""

from __future__ import annotations

import atexit
import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tfzoo.errors import TfzooError
from tfzoo.files import flush_folder

#: What file systems give room by, in bytes.
_BLOCK = 4096


def publish(folder: Path, build: Callable[[Path], None], room: int = 0) -> Path:
    """Fills a folder under a temporary name beside its own and renames it, whole.

    Call it under the folder's lock. A damaged folder of that name is replaced; if `build` fails,
    nothing has changed.

    Args:
        folder: Its own name.
        build: Fills it.
        room: Bytes it may need. Where `build` fails with less than these, the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(folder)
    remove = partial(shutil.rmtree, temporary, ignore_errors=True)
    # For a process that is told to stop while a library builds.
    atexit.register(remove)
    try:
        temporary.mkdir()
        _build(temporary, build, room)
        _flush(temporary)
        if folder.exists():
            discard(folder)
        temporary.rename(folder)
    except BaseException:
        remove()
        raise
    finally:
        atexit.unregister(remove)
    flush_folder(folder.parent)
    return folder


def _build(folder: Path, build: Callable[[Path], None], room: int) -> None:
    """Fills a folder; a full disk is an OSError, whatever the library that writes makes of it.

    TensorFlow has errors of its own for it; OpenVINO says nothing of the cause, and may leave a
    file cut off or remove what it wrote.
    """
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    try:
        build(folder)
    except OSError:
        raise
    except Exception as error:
        # An error of ours without a cause is no library's.
        library = not isinstance(error, TfzooError) or error.__cause__ is not None
        lacking = _free(folder) < max(room, _BLOCK) or os.strerror(errno.ENOSPC) in str(error)
        if library and lacking:
            raise full from error
        raise
    if _free(folder) < _BLOCK:
        raise full


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def discard(folder: Path) -> None:
    """Removes a folder; it is out of sight at once, whatever happens next."""
    trash = _temporary(folder)
    folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def sweep(
    folder: Path, of: str = "", older_than_s: float | None = None, by: int | None = None
) -> int:
    """Removes what dead processes left half-done in a folder whose lock is held.

    Args:
        folder: Where to look.
        of: Only what was to become a folder of this name.
        older_than_s: Only what is that old, in seconds, where no lock says that it is dead.
        by: Only what the process of this number left.

    Returns:
        The bytes freed.
    """
    freed = 0
    found: list[Path] = []
    newest = None if older_than_s is None else time.time() - older_than_s
    with suppress(FileNotFoundError):  # Another process may remove the folder meanwhile.
        found = list(folder.glob(f".{of}*.tmp" if by is None else f".{of}*-{by}-*.tmp"))
    for left in found:
        with suppress(OSError):
            if newest is None or left.stat().st_mtime <= newest:
                freed += size_of(left)
                shutil.rmtree(left, ignore_errors=True)
    return freed


def size_of(folder: Path) -> int:
    """Bytes of a file, or of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in [folder] if folder.is_file() else files_in(folder):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def folders_in(parent: Path) -> list[Path]:
    """The folders in a folder that are in sight; a leading dot hides what is half-done."""
    try:
        return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, what is half-done too."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def _temporary(folder: Path) -> Path:
    return folder.parent / f".{folder.name}-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _flush(folder: Path) -> None:
    """Writes every file and folder below a folder through to the disk."""
    for path in files_in(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for parent, _, _ in os.walk(folder):
        flush_folder(Path(parent))
