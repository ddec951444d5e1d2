"""Files that appear under their name only when they are whole; notes in place of files."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def whole_file(
    path: Path,
    *,
    sync: bool = True,
    mark: str = "",
    ours: Callable[[Path], bool] | None = None,
    when_whole: Callable[[Path], None] = lambda hidden: None,
) -> Iterator[IO[bytes]]:
    """A file that is written under another name first; if that fails, nothing is left behind.

    Args:
        path: Its name in the end.
        sync: Whether it is on the disk, not only in the system's memory, before it gets its name.
        mark: Stands in that other name, by which `remove_leftovers` knows it.
        ours: Whether what lies there by then may be replaced; None replaces whatever it is.
        when_whole: Is told where it lies before it gets its name.

    Raises:
        FileExistsError: What lies there is not ours.
        OSError: It can't be written.
    """
    hidden = hidden_name(path, mark)
    try:
        with hidden.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        when_whole(hidden)
        give_name(hidden, path, ours)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    if sync:
        flush_folder(path.parent)


def hidden_name(path: Path, mark: str = "", ending: str = "") -> Path:
    """A name beside a file's own, for it to be written under until it is whole.

    Args:
        path: Its name in the end.
        mark: Stands in the name.
        ending: What the name ends with, for those who judge a file by that.
    """
    # Its own: on a shared disk two machines may write the same file. Of a long name a part: both
    # together could be longer than a name may be.
    return path.with_name(f".{path.name[:40]}.{mark}{uuid4().hex[:12]}.tmp{ending}")


def give_name(hidden: Path, path: Path, ours: Callable[[Path], bool] | None = None) -> None:
    """Gives a file that is whole its name.

    Args:
        hidden: Where it lies, in the same folder.
        path: Its name.
        ours: Whether what lies there may be replaced; None replaces whatever it is.

    Raises:
        FileExistsError: What lies there is not ours.
    """
    if ours is None:
        hidden.replace(path)
        return
    if os.path.lexists(path):
        if not ours(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        hidden.replace(path)
        return
    try:
        # Unlike a rename, a link never replaces what appeared in between.
        os.link(hidden, path)
    except FileExistsError:
        raise
    except OSError:  # A disk that knows no links.
        hidden.rename(path)
    else:
        hidden.unlink()


def has_mark(path: Path, mark: bytes) -> bool:
    """Whether a file has a mark near its beginning, by which we know those that we wrote."""
    try:
        with path.open("rb") as file:
            return mark in file.read(2000)
    except OSError:
        return False


def write_whole(path: Path, content: bytes | str, *, sync: bool = False, mark: str = "") -> None:
    """Writes bytes, or a text as UTF-8, as `whole_file` does."""
    with whole_file(path, sync=sync, mark=mark) as file:
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


def remove_leftovers(folder: Path, mark: str = "") -> None:
    """Removes what killed processes left half-written in a folder; no other may write there now.

    Args:
        folder: Where to look; it may be gone.
        mark: Theirs, of the hidden names.
    """
    left = re.compile(rf"\..+\.{re.escape(mark)}[0-9a-f]{{12}}\.tmp(\.\w+)?", re.DOTALL)
    try:
        paths = [path for path in folder.iterdir() if left.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        path.unlink(missing_ok=True)


#: What to say of a Git LFS pointer, behind the name of the file.
LFS_ADVICE = (
    "is a Git LFS pointer: the note that Git keeps in place of a large file, not the file itself. "
    "Fetch the file with: git lfs pull"
)


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that starts so is a Git LFS pointer (https://git-lfs.com/spec)."""
    return start.removeprefix(b"\xef\xbb\xbf").startswith(b"version https://git-lfs.github.com/")
