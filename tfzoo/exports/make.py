"""A model exported: written beside its place, verified there, and only then given its name."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from filecmp import cmp
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from tfzoo import records
from tfzoo.detections.label_files import labels_of
from tfzoo.errors import OutputError, UsageError
from tfzoo.exports.onnx import write_onnx
from tfzoo.exports.openvino import write_openvino
from tfzoo.exports.saved_model import write_saved_model
from tfzoo.exports.settings import ExportSettings
from tfzoo.exports.source import Source, Written
from tfzoo.exports.tflite import write_tflite
from tfzoo.exports.triton import lay_out
from tfzoo.exports.verify import Verified, images_of, summary, verify
from tfzoo.files import give_name
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.loading import open_stored
from tfzoo.options import called_with
from tfzoo.prepare.export import find_export
from tfzoo.safety.guard import refuse_dangerous
from tfzoo.store.addresses import is_address
from tfzoo.store.folders import discard, size_of
from tfzoo.store.models import StoredModel, get_model
from tfzoo.trials.pictures import trial_pictures
from tfzoo.trials.quantise import Calibration, calibration
from tfzoo.version import __version__

#: In each folder of ours, what it was made of: by it we know what we may replace.
RECORD = "tfzoo_export.json"

_WRITERS: dict[str, Callable[[Source, Path], Written]] = {
    "tflite": write_tflite,
    "openvino": write_openvino,
    "onnx": write_onnx,
    "saved_model": write_saved_model,
}
#: What an export is called behind the model's name; what has no ending is a folder.
_ENDINGS = {
    "tflite": ".tflite",
    "onnx": ".onnx",
    "openvino": "_openvino",
    "saved_model": "_saved_model",
}
_STEPS = 4


@dataclass(frozen=True)
class Export:
    """A verified export.

    Attributes:
        path: Where it is: a file, or a folder.
        format: Of `tfzoo export --format`.
        precision: How the network's numbers are held.
        note: In a sentence, what it takes and gives.
        size_mb: What it takes on disk, in MB (10^6 bytes).
        verified: How it compares with TensorFlow.
    """

    path: Path
    format: str
    precision: str
    note: str
    size_mb: float
    verified: Verified

    def __str__(self) -> str:
        return f"{self.path} ({self.note}). Verified: {summary(self.verified, self.precision)}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"path": str(self.path)}


@called_with(ExportSettings)
def export_model(settings: ExportSettings) -> Export:  # noqa: D417 - the options are told below
    """Exports a model to another runtime's format, and verifies it against TensorFlow.

    Args:
        on_step: Told what is being done.

    Returns:
        Where it is, and what was seen.

    Raises:
        UsageError: The format has no such form, something is there already, or images are missing.
        ModelFormatError: The model can't be exported so, or what came of it finds something else;
            then nothing is written.
        OutputError: It can't be written.
        StoreError, RuntimeUnavailableError: See `tfzoo.load`.
    """
    model = get_model(settings.name)
    refuse_dangerous(model)
    if not model.path.is_dir():
        raise UsageError(
            f"{model.id} is {model.path.suffix} already; exports are made of SavedModels"
        )
    place = settings.destination(_name_of(model, settings))
    cached = (settings.format, settings.inside, settings.layout) == ("onnx", False, "plain")
    if not cached or (settings.output is not None and find_export(model) is None):
        _refuse_existing(place, settings)
    known = None if settings.calibrate is None else calibration(settings.calibrate)
    images = _images(settings, known)
    settings.on_step("opening the model in TensorFlow", 0, _STEPS)
    reference = open_stored(model, "tensorflow", "cpu", labels_of(settings.labels))
    source = Source(model, reference.labels, settings, () if known is None else known.images)
    with _beside(place) as folder:
        settings.on_step(f"converting to {settings.format}", 1, _STEPS)
        written = _WRITERS[settings.format](source, folder)
        settings.on_step("verifying", 2, _STEPS)
        seen = verify(
            reference.detect, written.detect, images, settings.precision, settings.min_score
        )
        settings.on_step("writing", 3, _STEPS)
        if settings.layout == "triton":
            made_of = _movable(written.path, folder)
            laid = lay_out(made_of, place.name, settings.format, written.signature)
            written = replace(written, path=laid)
        kept = cached and settings.output is None
        made = Export(
            written.path if kept else place,
            settings.format,
            settings.precision,
            written.note,
            round(size_of(written.path) / 1e6, 2),
            seen,
        )
        if written.path.is_dir():
            record = made.to_json() | {"model": model.id, "tfzoo": __version__}
            (written.path / RECORD).write_text(json.dumps(record, indent=1))
        if not kept:
            _publish(_movable(written.path, folder), place, settings)
    settings.on_step("done", _STEPS, _STEPS)
    return made


def _name_of(model: StoredModel, settings: ExportSettings) -> str:
    """What an export is called where nothing else was said."""
    place = unquote(urlsplit(model.id).path) if is_address(model.id) else model.id
    stem = re.sub(r"(\.tar\.gz|\.tgz|\.tar|\.zip|\.pb)$", "", Path(place).name) or "model"
    if stem == "saved_model" and model.path.parent.name:
        stem = model.path.parent.name
    if settings.layout == "triton":
        return stem
    precision = "" if settings.precision == "float32" else f"_{settings.precision}"
    return f"{stem}{precision}{_ENDINGS[settings.format]}"


def _images(settings: ExportSettings, known: Calibration | None) -> Sequence[Image]:
    """What an export is verified on."""
    if settings.check is not None:
        return images_of(settings.check)
    if known is not None:
        return [read_image(path) for path in known.kept_back]
    return trial_pictures()


def _refuse_existing(place: Path, settings: ExportSettings) -> None:
    """Refuses, before minutes of work, what could not be given its name.

    Raises:
        UsageError: Something is there that is not replaced.
    """
    if not os.path.lexists(place):
        return
    if not settings.overwrite:
        raise _not_replaced(place)
    folder = place.is_dir() and not place.is_symlink()
    if folder and not isinstance(_record(place), dict):
        raise UsageError(
            f"{place} is a folder that tfzoo did not export, and is not replaced. Name another"
        )
    if not folder and "." not in _ENDINGS[settings.format]:
        raise UsageError(
            f"{place} is a file, and {settings.format} is a folder. Name another place"
        )


def _record(folder: Path) -> Any:
    try:
        return records.parsed((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A folder beside a place, on the same disk; gone afterwards, with what is still in it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".tfzoo-export-", dir=place.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(f"{place} can't be written: {error.strerror or error}") from None


def _movable(made: Path, folder: Path) -> Path:
    """What was made in a folder, or a copy in it of what stays in the cache."""
    if made.is_relative_to(folder):
        return made
    return Path(shutil.copyfile(made, folder / made.name))


def _publish(made: Path, place: Path, settings: ExportSettings) -> None:
    """Gives what was verified its name."""
    if made.is_dir():
        _refuse_existing(place, settings)  # It may have come meanwhile.
        if place.is_dir():
            discard(place)
        made.rename(place)
        return
    try:
        # What is the same already is no reason to ask.
        give_name(made, place, ours=lambda path: settings.overwrite or cmp(made, path, False))
    except FileExistsError:
        raise _not_replaced(place) from None


def _not_replaced(path: Path) -> UsageError:
    return UsageError(
        f"{path} is there already, and not replaced. Name another with --output, or replace it "
        "with --overwrite"
    )
