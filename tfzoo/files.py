"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from tfzoo.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole and on the disk.

    Raises:
        OutputError: It can't be written; nothing is left behind.
    """
    # A name of its own: on a shared disk two machines may write the same part.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # The name itself is on the disk once its folder is.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}. What was written before is "
            "whole; make room or mend the cause, then go on with --resume"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Writes one JSON value as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode())


def remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed left half-written; no other may write there now."""
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
