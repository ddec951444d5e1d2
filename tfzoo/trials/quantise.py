"""Makes a model's int8 form, and measures what it loses against full precision."""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tfzoo.detections.types import Detections
from tfzoo.detector import Detector, detector_of
from tfzoo.errors import ImageError, UsageError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.images.sources import find_images
from tfzoo.options import OnStep
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.int8 import full_precision, size_mb, write_int8
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

#: Images that are calibrated on: fewer tell too little, more change nothing.
FEWEST, MOST = 16, 300
#: Every so many-th image is kept back: what is lost is measured on what was not calibrated on.
KEPT_BACK = 5
#: Detections of full precision from this score on are taken as true.
TRUE_SCORE = 0.3
#: Times that both are timed, in turn.
ROUNDS = 3


def quantise(model: StoredModel, folder: str | PathLike[str], on_step: OnStep) -> dict[str, Any]:
    """Makes the int8 form of a model, calibrated on a folder of images.

    Args:
        model: From the store.
        folder: Images like those that the model will see; every fifth is kept back.
        on_step: Told what is being done.

    Returns:
        What it costs: `map` of its detections on the images kept back, those of full precision
        taken as true (0 to 1), `size_mb` and `images_per_s` of both, and what it was calibrated on.

    Raises:
        UsageError: There are too few images.
        ModelFormatError, RuntimeUnavailableError: See `tfzoo.prepare.int8.full_precision`.
    """
    on_step("making the form in full precision", 0, 4)
    made = full_precision(model)
    on_step("reading the images", 1, 4)
    names, pictures = _pictures(folder)
    back = pictures[KEPT_BACK - 1 :: KEPT_BACK]
    calibrated = [p for i, p in enumerate(pictures) if i % KEPT_BACK != KEPT_BACK - 1]
    if len(calibrated) < FEWEST:
        raise UsageError(
            f"{folder} holds {len(pictures)} images that can be read, of which every fifth is kept "
            f"back to measure the loss on; int8 needs {FEWEST} to calibrate on, and a hundred or "
            "more, like those the model will see, are better"
        )
    about = {
        "folder": str(folder),
        "images": len(calibrated),
        "images_digest": hashlib.sha256("\n".join(names).encode()).hexdigest()[:16],
        "kept_back": len(back),
    }

    def measure(written: Path, cut: Cut) -> dict[str, Any]:
        on_step("measuring what is lost", 3, 4)
        full, less = (
            detector_of(model, open_runtime("openvino", place, throughput=True), cut)
            for place in (made.folder, written)
        )
        speeds = _speeds((full, less), back)
        return {
            "map": agreement_map([full.detect(p) for p in back], [less.detect(p) for p in back]),
            "size_mb": {"float32": size_mb(made.folder), "int8": size_mb(written)},
            "images_per_s": {"float32": speeds[0], "int8": speeds[1]},
        }

    on_step(f"quantising on {len(calibrated)} images", 2, 4)
    lost = write_int8(model, made, calibrated, about, measure)
    on_step("done", 4, 4)
    return lost


def _pictures(folder: str | PathLike[str]) -> tuple[list[str], list[Image]]:
    """Names and pixels of the first images of a folder that can be read."""
    names: list[str] = []
    pictures: list[Image] = []
    for found in find_images([folder]):
        if found.is_video:
            continue
        try:
            pictures.append(read_image(found.path))
        except ImageError:
            continue
        names.append(found.name)
        if len(pictures) == MOST:
            break
    return names, pictures


def _speeds(detectors: Sequence[Detector], pictures: Sequence[Image]) -> list[float]:
    """Images a second of each, in turn."""
    taken: list[list[float]] = [[] for _ in detectors]
    several = [*pictures] * max(1, 32 // max(len(pictures), 1))
    for _ in range(ROUNDS + 1):
        for detector, speeds in zip(detectors, taken, strict=True):
            began = time.perf_counter()
            for _ in detector.detect_many(several):
                pass
            speeds.append(len(several) / (time.perf_counter() - began))
    # The first round warms both up.
    return [round(median(speeds[1:]), 1) for speeds in taken]


def agreement_map(full: Sequence[Detections], less: Sequence[Detections]) -> float | None:
    """COCO's AP of detections, those of full precision taken as true; None where there are none.

    Args:
        full: Of full precision, an image each; those from a score of 0.3 are the truth.
        less: Of the other, the same images.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations: list[dict[str, Any]] = []
    for image_id, found in enumerate(full, 1):
        for row in found.above(TRUE_SCORE).to_coco(image_id):
            _, _, width, height = row["bbox"]
            row |= {"id": len(annotations) + 1, "area": width * height, "iscrowd": 0}
            annotations.append(row)
    if not annotations:
        return None
    classes = {row["category_id"] for row in annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(1, len(full) + 1)],
            "annotations": annotations,
            "categories": [{"id": int(one)} for one in sorted(classes)],
        }
        truth.createIndex()
        rows = [row for i, found in enumerate(less, 1) for row in found.to_coco(i)]
        if not rows:
            return 0.0
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return round(float(np.clip(evaluation.stats[0], 0, 1)), 4)
