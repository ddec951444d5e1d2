"""A run as its engines know it: its settings as they were understood, and where its files lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfzoo.batch.parts import Columns, Parts, mark_of
from tfzoo.batch.settings import RunSettings
from tfzoo.detections.kept import by_id
from tfzoo.detections.label_files import labels_of
from tfzoo.detector import Detector
from tfzoo.errors import ModelFormatError
from tfzoo.prepare.choice import USUAL_IMAGES
from tfzoo.runtimes.runtime import reason_of
from tfzoo.trials.occasion import open_for, silent
from tfzoo.zoo.schema import ModelSpec

#: Images in a part: some seconds of work, and few enough files in a run of a million.
PART_IMAGES = 256

# What lies in the output folder beside the files that `exports` writes.
PARTS = "parts"
PICTURES = "annotated"
CROPS = "crops"
INPUTS = "inputs.parquet"
# What `tfzoo gallery` writes beside them: a page, and where there are many a folder of pictures.
GALLERY_PAGE = "gallery.html"
GALLERY = "gallery"


@dataclass(frozen=True)
class Job:
    """All that an engine needs to know of a run; plain data, so that it can travel.

    Attributes:
        settings: The run's, as they were understood: the model by its name or path, the runtime
            that was chosen, categories by id.
        columns: Columns of the parts.
        part_images: Images in a part.
        run: Id of the run, or empty (see `Parts`).
    """

    settings: RunSettings
    columns: Columns
    part_images: int
    run: str = ""

    @property
    def out(self) -> Path:
        """The output folder."""
        return Path(self.settings.out)

    @property
    def devices(self) -> tuple[str, ...]:
        """A detector is opened on each."""
        return self.settings.devices

    @property
    def parts(self) -> Parts:
        """The run's parts."""
        return Parts(self.out / PARTS, self.part_images, self.columns, self.run)

    @property
    def mark(self) -> str:
        """What stands in the names of files that are not whole yet."""
        return mark_of(self.run)

    @property
    def inputs(self) -> Path:
        """The run's list of inputs."""
        return self.out / INPUTS

    @property
    def pictures(self) -> Path:
        """Where annotated pictures and videos go."""
        return self.out / PICTURES


def open_detector(settings: RunSettings, device: str, images: int = USUAL_IMAGES) -> Detector:
    """A detector for a run, on one device, with the run's rules of suppression.

    Args:
        settings: The run's.
        device: `auto`, `cpu`, `gpu` or `gpu:1`.
        images: How many images there are about.
    """
    detector = open_for(
        _name(settings.model),
        images=images,
        device=device,
        runtime=settings.runtime,
        labels=labels_of(settings.labels),
        may_prepare=settings.prepare,
        precision=settings.precision,
        on_step=settings.on_step or silent,
    )
    return detector.suppressing(settings)


def understood(settings: RunSettings, detector: Detector) -> RunSettings:
    """Settings that mean the same to whoever opens the model again, on this machine or another.

    Args:
        settings: As they were given.
        detector: Opened by them; what `auto` chose for it holds for all, since runtimes differ in
            the last digits.

    Raises:
        UsageError: The model knows no such category.
    """
    return replace(
        by_id(settings, detector.labels),
        model=detector.model.id,
        out=settings.folder,
        runtime=detector.runtime.name,
        precision=detector.precision,
        on_progress=None,
        on_step=None,
    )


def _name(model: str | os.PathLike[str] | ModelSpec | Detector) -> str:
    if isinstance(model, Detector):
        return model.model.id
    return model.id if isinstance(model, ModelSpec) else os.fspath(model)


def probe(detector: Detector, video: bool) -> Columns:
    """The columns of a run, as a blank image shows them; this takes the slow first call away too.

    Args:
        detector: Of the run's model.
        video: Whether a source is a video.

    Raises:
        ModelFormatError: The model fails on it.
    """
    try:
        found = detector.detect(np.zeros((64, 64, 3), dtype=np.uint8))
    except Exception as error:  # Anything at all, from any runtime.
        raise ModelFormatError(
            f"{detector.model.id} fails on a blank image, so no other was tried: {reason_of(error)}"
        ) from error
    return Columns(found.keypoints is not None, found.masks is not None, video)
