"""A run's own files: whole, on the disk, and told of by what to do where that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tfzoo.errors import OutputError
from tfzoo.files import whole_file
from tfzoo.outside import shown_json


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


def write_json(
    path: Path, value: Any, *, mark: str = "", ours: Callable[[Path], bool] | None = None
) -> None:
    """Writes one JSON value as `output_file` does."""
    with output_file(path, mark=mark, ours=ours) as file:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        file.write(shown_json(text).encode())
