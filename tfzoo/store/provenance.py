"""Where a cached model came from and what vouches for it: `provenance.json` beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tfzoo import records

FILE_NAME = "provenance.json"


@dataclass(frozen=True)
class FileRecord:
    """Size and sha256 of one file of a model, taken while it was unpacked."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Provenance:
    """The record of one cached model.

    Attributes:
        id: The manifest's id, or the name of a local archive.
        source: URL, TF Hub handle or path the bytes came from.
        kind: `archive`, `tfhub`, `bundled` or `added` (a local archive).
        digest: `sha256:` and the digest of the archive (of the files, for TF Hub).
        bytes: Size of the archive (of the files, for TF Hub).
        vouched_by: What vouches for the bytes, strongest first; empty where nothing does.
        date: When it was published in the cache, UTC, ISO 8601.
        version: tfzoo's version that wrote the record.
        model: The SavedModel folder or .onnx file, relative to the record, with slashes.
        files: Every file of the model by its path relative to the record.
    """

    id: str
    source: str
    kind: str
    digest: str
    bytes: int
    vouched_by: tuple[str, ...]
    date: str
    version: str
    model: str
    files: dict[str, FileRecord]

    def write(self, folder: Path) -> None:
        """Writes the record into a folder that is not published yet."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Provenance | None:
    """The record in a folder, or None where there is none that can be understood."""
    try:
        return records.read(folder / FILE_NAME, Provenance)
    except (OSError, ValueError):
        return None


def now() -> str:
    """This moment, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
