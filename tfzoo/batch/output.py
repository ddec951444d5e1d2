"""A run's own files: whole, on the disk, and told of by what to do where that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tfzoo.errors import OutputError
from tfzoo.files import whole_file
from tfzoo.outside import shown_json


@contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """A file of a run, as `whole_file` writes it.

    Raises:
        OutputError: It can't be written; nothing is left behind.
    """
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}. What was written before is "
            "whole; make room or mend the cause, then go on with --resume"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Writes one JSON value as `output_file` does."""
    with output_file(path) as file:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        file.write(shown_json(text).encode())
