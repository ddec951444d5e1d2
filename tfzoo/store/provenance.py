"""Where a cached model came from and what vouches for it: `provenance.json` beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tfzoo import records
from tfzoo.outside import keyed, shown_json
from tfzoo.version import __version__
from tfzoo.zoo.schema import ModelSpec

FILE_NAME = "provenance.json"
#: What was in the archive, in the folder of a record.
CONTENT = "model"


@dataclass(frozen=True)
class FileRecord:
    """Size and sha256 of one file of a model, taken while it was unpacked.

    Attributes:
        time_ns: When it was written, as the file system tells; None in records of old.
    """

    bytes: int
    sha256: str
    time_ns: int | None = None


@dataclass(frozen=True)
class Provenance:
    """The record of one cached model.

    Attributes:
        id: The manifest's id, or the name of a local archive.
        source: URL (without what it hides), TF Hub handle or path the bytes came from.
        kind: `archive`, `tfhub`, `bundled` or `added` (a local archive).
        digest: `sha256:` and the digest of the archive (of the files, for TF Hub).
        bytes: Size of the archive (of the files, for TF Hub).
        vouched_by: What vouches for the bytes, strongest first; empty where nothing does.
        date: When it was published in the cache, UTC, ISO 8601.
        version: tfzoo's version that wrote the record.
        model: The SavedModel folder or .onnx file, relative to the record, with slashes.
        files: Every file of the model by its path relative to the record.
        origins: Where its manifest said that it comes from (see `origins_of`); empty for a local
            archive, and in records of old.
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
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Earlier versions wrote it with all that an address hides.
        object.__setattr__(self, "source", keyed(self.source))

    def write(self, folder: Path) -> None:
        """Writes the record into a folder that is not published yet."""
        text = shown_json(json.dumps(asdict(self), indent=2, ensure_ascii=False))
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Provenance | None:
    """The record in a folder, or None where there is none that can be understood."""
    try:
        return records.read(folder / FILE_NAME, Provenance)
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class Origin:
    """Where bytes came from; see `Provenance`, which it becomes."""

    source: str
    kind: str
    digest: str
    bytes: int
    vouched_by: tuple[str, ...]
    origins: tuple[str, ...] = ()

    def record(
        self,
        model_id: str,
        folder: Path,
        model: Path,
        files: dict[str, FileRecord],
        further: tuple[str, ...] = (),
    ) -> Provenance:
        """The record of a model unpacked into `folder`; `files` are relative to its content."""
        content = folder / CONTENT
        return Provenance(
            id=model_id,
            source=self.source,
            kind=self.kind,
            digest=self.digest,
            bytes=self.bytes,
            vouched_by=self.vouched_by + further,
            date=now(),
            version=__version__,
            model=model.relative_to(folder).as_posix(),
            files={
                f"{CONTENT}/{path}": replace(file, time_ns=(content / path).stat().st_mtime_ns)
                for path, file in files.items()
            },
            origins=self.origins,
        )


def origins_of(spec: ModelSpec) -> tuple[str, ...]:
    """What tells a manifest's model from another's of the same id: its sources, or its archive."""
    named = (f"{source.kind} {keyed(source.url)}" for source in spec.sources)
    return tuple(named) or (f"file {spec.archive}",)


def now() -> str:
    """This moment, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
