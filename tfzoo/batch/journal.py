"""What pins a run: its settings, so that it is gone on with as it was begun, and its results."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tfzoo import records
from tfzoo.batch.job import Job
from tfzoo.batch.output import output_file, write_json
from tfzoo.batch.parts import mark_of
from tfzoo.batch.settings import RunSettings
from tfzoo.detector import Detector
from tfzoo.errors import OutputError, UsageError
from tfzoo.images.addresses import absolute
from tfzoo.options import options_of
from tfzoo.outside import keyed
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
        vouched_by: What vouches for the model's bytes, `nothing` where nothing does.
        run: Id of the run, which its files hold; empty for one of an earlier version.
        began: When, UTC, ISO 8601.
        written: Digests of the files for people that it wrote, by name; None for a run of an
            earlier version, whose files go by their names.
        formats: What other formats it writes, or wrote.
    """

    settings: dict[str, Any]
    images: int
    videos: int
    skipped: int
    left_out: dict[str, int] = field(default_factory=dict)
    vouched_by: str | None = None
    run: str = ""
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    written: dict[str, list[str]] | None = field(default_factory=dict)
    formats: list[str] = field(default_factory=list)

    def write(self, out: Path, *, again: bool = False) -> None:
        """Writes it; from then on the run can be resumed.

        Args:
            out: The run's folder.
            again: Whether it lies there already, and is replaced.
        """
        write_json(
            out / JOURNAL,
            {"format": _FORMAT, "tfzoo": __version__, **asdict(self)},
            mark=mark_of(self.run),
            ours=lambda path: again,
        )

    def result_file(self, out: Path, path: Path) -> AbstractContextManager[IO[bytes]]:
        """A file for people, which is noted before it gets its name and replaces only its like.

        Args:
            out: The run's folder.
            path: Where it will lie, there or in a folder of it.
        """

        def note(hidden: Path) -> None:
            if self.written is None:
                return
            digests = self.written.setdefault(path.name, [])
            if (digest := _digest(hidden)) not in digests:
                digests.append(digest)
                self.write(out, again=True)

        return output_file(path, mark=mark_of(self.run), ours=self.wrote, when_whole=note)

    def wrote(self, path: Path) -> bool:
        """Whether a file for people is one that the run wrote."""
        if self.written is None:
            return True
        try:
            return _digest(path) in self.written.get(path.name, ())
        except OSError:
            return False

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
        # Earlier versions wrote them with all that an address hides.
        if "sources" in self.settings:
            before["sources"] = [keyed(path) for path in self.settings["sources"]]
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
        "tile": None if settings.tile is None else list(settings.tile),
        "classes": None if settings.classes is None else list(settings.classes),
        "exclude": None if settings.exclude is None else list(settings.exclude),
        "labels": {str(class_id): name for class_id, name in detector.labels.items()},
        "sources": [keyed(absolute(path)) for path in settings.paths],
        "annotations": None if annotations is None else _digest_of_annotations(Path(annotations)),
        "part_images": job.part_images,
        "columns": asdict(job.columns),
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_annotations(path: Path) -> str:
    try:
        return _digest(path)
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
        # What earlier versions did not tell.
        told = {"run": "", "began": "", "written": None} | data
        known = {one.name: told[one.name] for one in fields(Journal) if one.name in told}
        journal = records.as_record(known, Journal)
        if not {"model", "runtime"} <= journal.settings.keys():
            raise ValueError("it does not say what was run")
        if not re.fullmatch("[0-9a-f]*", journal.run):
            raise ValueError("no run has such an id")
        return journal
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise OutputError(f"{out} is a file; --out takes a folder") from None
    except OSError as error:
        raise OutputError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path} is no journal of a run, or damaged; remove it, choose another --out, or start "
            "anew with --overwrite"
        ) from None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 100 else text[:100] + "..."
