"""What pins a run: its settings, so that it is gone on with as it was begun, and its lock."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfzoo import records
from tfzoo.batch.exports import WRITTEN
from tfzoo.batch.job import INPUTS, PARTS, PICTURES, Job
from tfzoo.batch.output import write_json
from tfzoo.batch.settings import RunSettings
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, UsageError
from tfzoo.images.addresses import absolute
from tfzoo.options import options_of
from tfzoo.prepare.int8 import calibrated_on
from tfzoo.version import __version__

JOURNAL = "run.json"

_FORMAT = 1


@dataclass(frozen=True)
class Journal:
    """What pins a run.

    Attributes:
        settings: All that its rows depend on.
        images: Images and frames to be detected, as far as the videos say.
        videos: How many of the inputs are videos.
        skipped: Images that the annotation file does not list.
        left_out: Files of the folders that are no images, by their endings.
    """

    settings: dict[str, Any]
    images: int
    videos: int
    skipped: int
    left_out: dict[str, int] = field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Writes it; from then on the run can be resumed."""
        began = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(
            out / JOURNAL,
            {"format": _FORMAT, "tfzoo": __version__, "began": began, **asdict(self)},
        )

    def check(self, now: Mapping[str, Any], out: Path) -> None:
        """Refuses to go on with other settings.

        Args:
            now: As `pins` gives them. One that the run does not know yet is held to its default.
            out: The run's folder.

        Raises:
            UsageError: Some differ; says which.
        """
        defaults = {one.name: one.default for one, _ in options_of(RunSettings)}
        before = {name: self.settings.get(name, defaults.get(name)) for name in now}
        changed = [name for name in now if now[name] != before[name]]
        if changed:
            listed = "\n".join(
                f"  {name}: was {_short(before[name])}, now {_short(now[name])}" for name in changed
            )
            raise UsageError(
                f"the run in {out} was begun with other settings:\n{listed}\nResume with the old "
                "ones (run.json lists them), write to another --out, or start anew with --overwrite"
            )


def pins(job: Job, detector: Detector) -> dict[str, Any]:
    """All that a run's rows depend on, as JSON values: its settings, as they were understood."""
    settings = job.settings
    given = {
        one.name: getattr(settings, one.name) for one, about in options_of(settings) if about.pinned
    }
    annotations = settings.annotations
    float32 = detector.run_info.precision == "float32"
    return given | {
        "model": detector.model.id,
        "digest": detector.model.digest,
        "runtime": detector.run_info.runtime,
        "precision": detector.run_info.precision,
        "calibrated_on": None if float32 else calibrated_on(detector.model),
        "classes": None if settings.classes is None else list(settings.classes),
        "labels": {str(class_id): name for class_id, name in detector.labels.items()},
        "sources": [absolute(path) for path in settings.paths],
        "annotations": None if annotations is None else _digest(Path(annotations)),
        "part_images": job.part_images,
        "columns": asdict(job.columns),
    }


def _digest(path: Path) -> str:
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"annotations {path} can't be read: {error.strerror}") from None


def read_journal(out: Path) -> Journal | None:
    """The journal of the run in a folder, or None where there is none.

    Raises:
        UsageError: It is none that can be gone on with.
        OutputError: It can't be read.
    """
    path = out / JOURNAL
    try:
        data = records.parsed(path.read_bytes())
        if data.pop("format") != _FORMAT:
            raise UsageError(
                f"{path} was written by tfzoo {data.get('tfzoo')}, whose runs this one can't go on "
                "with; finish it there, or choose another --out"
            )
        known = {one.name: data[one.name] for one in fields(Journal) if one.name in data}
        journal = records.as_record(known, Journal)
        if not {"model", "runtime"} <= journal.settings.keys():
            raise ValueError("it does not say what was run")
        return journal
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise OutputError(f"{out} is a file; --out takes a folder") from None
    except OSError as error:
        raise OutputError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path} is no journal of a run; remove it, choose another --out, or start anew with "
            "--overwrite"
        ) from None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 100 else text[:100] + "..."


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Holds an output folder, made if need be, against other runs."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another run is writing to {out}; wait for it, or choose another --out"
        ) from None
    except OSError as error:
        raise OutputError(
            f"output folder {out} can't be written: {error.strerror}. Choose another with --out"
        ) from None
    with lock:
        yield


def delete(out: Path) -> None:
    """Deletes what a run wrote, and nothing else; the journal last, while parts depend on it."""
    try:
        for name in (PARTS, PICTURES):
            if (out / name).exists():
                shutil.rmtree(out / name)
        for name in (*WRITTEN, INPUTS, JOURNAL):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{error.filename} can't be deleted: {error.strerror}") from None
