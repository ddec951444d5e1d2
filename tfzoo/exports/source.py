"""What all formats share: what an export is made of, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfzoo.detections.types import Detections
from tfzoo.exports.settings import ExportSettings
from tfzoo.images.image import Image
from tfzoo.runtimes.runtime import Signature
from tfzoo.store.models import StoredModel

#: Finds what is in an image.
Detect = Callable[[Image], Detections]


@dataclass(frozen=True)
class Source:
    """What an export is made of.

    Attributes:
        model: From the store.
        labels: Category names by id.
        settings: What was asked for.
        calibration: Paths of the images that int8 is calibrated on.
    """

    model: StoredModel
    labels: Mapping[int, str]
    settings: ExportSettings
    calibration: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: A file, or a folder.
        note: In a sentence, what it takes and gives.
        detect: Runs it by its own runtime.
        signature: What it takes and gives, where a server is to be told.
    """

    path: Path
    note: str
    detect: Detect
    signature: Signature | None = None
