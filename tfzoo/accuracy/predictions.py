"""Detections of an evaluation, saved image by image, so that a killed run goes on where it was.

A journal of a line an image, not the sealed parts of batch detection: those give up a part's
images when a run dies (a quarter of an hour's work of the slow models), and hold one list of
images, where an evaluation's may grow from a sample to the whole set.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from tfzoo import records
from tfzoo.accuracy.fields import Id
from tfzoo.accuracy.truth import Kind
from tfzoo.detections.types import Detections
from tfzoo.errors import MeasurementError


@dataclass(frozen=True)
class Prediction:
    """What a model found in one image.

    Attributes:
        image_id: The image's id in the annotations.
        size: Height and width of the image as it was read, in pixels.
        kinds: What the model gives.
        rows: COCO results rows.
    """

    image_id: Id
    size: tuple[int, int]
    kinds: tuple[Kind, ...]
    rows: list[dict[str, Any]]


def prediction_of(image_id: Id, found: Detections) -> Prediction:
    """The prediction that detections of an image make."""
    kinds: list[Kind] = ["box"]
    if found.keypoints is not None:
        kinds.append("keypoints")
    if found.masks is not None:
        kinds.append("masks")
    return Prediction(image_id, found.image_size, tuple(kinds), found.to_coco(image_id))


def journal_path(folder: Path, model: str, pinned: Mapping[str, str]) -> Path:
    """Where a journal lies: named by the model and all that its detections depend on.

    Args:
        folder: Of all journals.
        model: Id or path of the model, for a readable name.
        pinned: What the detections depend on, such as the model's digest.
    """
    key = sha256(json.dumps({"model": model, **pinned}, sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(model).name) or "model"
    return folder / f"{name}-{key[:16]}.jsonl"


class Journal:
    """An open journal; see `open_journal`."""

    def __init__(self, file: IO[bytes], saved: dict[Id, Prediction]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.saved = saved

    def add(self, prediction: Prediction) -> None:
        """Saves one image's detections; from then on they survive the process.

        May be called from several threads at once.
        """
        line = {
            "image_id": prediction.image_id,
            "size": prediction.size,
            "kinds": prediction.kinds,
            "rows": prediction.rows,
        }
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        with self._lock:
            self._file.write(data)
            self._file.flush()
            self.saved[prediction.image_id] = prediction


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Opens a journal, made if need be, against other processes.

    Raises:
        MeasurementError: Another run holds it, or it can't be read or written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(path.name + ".lock"), timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock, path.open("a+b") as file:
            yield Journal(file, _read(file, path))
    except Timeout:
        raise MeasurementError(
            f"another run is adding to {path}; wait for it, or choose another folder with --results"
        ) from None
    except OSError as error:
        raise MeasurementError(
            f"{path} can't be written: {error.strerror or error}. What was saved before is whole; "
            "run the same command again to go on"
        ) from None


def _read(file: IO[bytes], path: Path) -> dict[Id, Prediction]:
    saved = {}
    file.seek(0)
    whole = 0
    for line in file:
        # A killed process leaves at most its last line unfinished: that image is done again.
        if not line.endswith(b"\n"):
            break
        try:
            prediction = records.as_record(records.parsed(line), Prediction)
        except ValueError:
            raise MeasurementError(
                f"{path} is damaged at byte {whole}; delete the file and evaluate anew"
            ) from None
        saved[prediction.image_id] = prediction
        whole += len(line)
    file.truncate(whole)
    file.seek(0, os.SEEK_END)
    return saved
