"""A run's own files: whole, on the disk, and told of by what to do where that fails."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from tfzoo.errors import OutputError
from tfzoo.files import whole_file
from tfzoo.outside import shown_json

#: Errors that a file's own name causes; others are the disk's, and would meet all.
_OF_A_NAME = {
    errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENOENT, errno.ELOOP,
}  # fmt: skip


@contextmanager
def output_file(
    path: Path,
    *,
    mark: str = "",
    ours: Callable[[Path], bool] | None = None,
    when_whole: Callable[[Path], None] = lambda hidden: None,
) -> Iterator[IO[bytes]]:
    """A file of a run, as `whole_file` writes it.

    Raises:
        OutputError: It can't be written; nothing is left behind.
    """
    with told_of(path), whole_file(path, mark=mark, ours=ours, when_whole=when_whole) as file:
        yield file


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Turns what a disk says of a file of a run's into our own errors.

    Raises:
        OutputError: It can't be written.
    """
    try:
        yield
    except FileExistsError:
        raise OutputError(
            f"{path} is there already, and no file of this run's: it is not replaced. Move it "
            "away, then go on with --resume"
        ) from None
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}. What was written before is "
            "whole; make room or mend the cause, then go on with --resume"
        ) from None


def write_of_image(
    path: Path, content: bytes, mark: str = "", ours: Callable[[Path], bool] | None = None
) -> None:
    """Writes a file of one image, and the folders that it lies in.

    Args:
        path: Where to.
        content: All of it.
        mark: Of the run, for the name of a file that is not whole yet.
        ours: Whether what lies there may be replaced; None replaces whatever it is.

    Raises:
        OutputError: The disk can't be written.
        OSError: This one can't be written, others can.
    """
    try:
        missing = list(takewhile(lambda folder: not folder.is_dir(), path.parents))
        for folder in reversed(missing):  # With `parents`, a thousand are too deep for Python.
            folder.mkdir(exist_ok=True)
        with whole_file(path, sync=False, mark=mark, ours=ours) as file:
            file.write(content)
    except OSError as error:
        if error.errno in _OF_A_NAME:
            raise
        raise OutputError(f"{path} can't be written: {error.strerror}") from None


def write_json(
    path: Path, value: Any, *, mark: str = "", ours: Callable[[Path], bool] | None = None
) -> None:
    """Writes one JSON value as `output_file` does."""
    with output_file(path, mark=mark, ours=ours) as file:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        file.write(shown_json(text).encode())
