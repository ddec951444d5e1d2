"""Files that appear under their name only when they are whole; notes in place of files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def whole_file(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A file that is written under another name first; if that fails, nothing is left behind.

    Args:
        path: Its name in the end. What lies there is replaced.
        sync: Whether it is on the disk, not only in the system's memory, before it gets its name.

    Raises:
        OSError: It can't be written.
    """
    # A name of its own: on a shared disk two machines may write the same file.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        flush_folder(path.parent)


def write_whole(path: Path, content: bytes | str, *, sync: bool = False) -> None:
    """Writes bytes, or a text as UTF-8, as `whole_file` does."""
    with whole_file(path, sync=sync) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def flush_folder(folder: Path) -> None:
    """Writes the names in a folder through to the disk."""
    if os.name == "nt":  # Windows can't open folders, and needs no such flush.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left half-written in a folder; no other may write there now."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)


#: What to say of a Git LFS pointer, behind the name of the file.
LFS_ADVICE = (
    "is a Git LFS pointer: the note that Git keeps in place of a large file, not the file itself. "
    "Fetch the file with: git lfs pull"
)


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that starts so is a Git LFS pointer (https://git-lfs.com/spec)."""
    return start.removeprefix(b"\xef\xbb\xbf").startswith(b"version https://git-lfs.github.com/")
