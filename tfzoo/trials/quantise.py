"""Makes a model's int8 form, and measures what it loses against full precision."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from statistics import median
from typing import Any

from tfzoo.detections.agreement_map import agreement_map
from tfzoo.detector import Detector
from tfzoo.errors import ImageError, ModelFormatError, UsageError
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.images.sources import find_images
from tfzoo.loading import detector_of
from tfzoo.options import OnStep
from tfzoo.outside import keyed
from tfzoo.prepare.cut import Cut
from tfzoo.prepare.int8 import full_precision, size_mb, write_int8
from tfzoo.runtimes.runtime import open_runtime
from tfzoo.store.models import StoredModel

#: Images that are calibrated on: fewer tell too little, more change nothing.
FEWEST, MOST = 16, 300
#: Every so many-th image is kept back: what is lost is measured on what was not calibrated on.
KEPT_BACK = 5
#: With less agreement than this mAP it is another detector, not the same one rounded: an SSD that
#: lost nothing in AP had 0.89, a CenterNet that lost 9 points 0.52.
LEAST_MAP = 0.6
#: Images kept back that speed is measured on: these are held in memory.
TIMED = 8
#: Times that both are timed, in turn.
ROUNDS = 3


@dataclass(frozen=True)
class Calibration:
    """Images that can be read, for making an int8 form.

    Attributes:
        folder: Where they lie.
        images: Paths of those to calibrate on.
        kept_back: Paths of those to measure the loss on.
        digest: What tells them from others, by their names and sizes.
    """

    folder: str
    images: tuple[str, ...]
    kept_back: tuple[str, ...]
    digest: str


def calibration(folder: str | PathLike[str]) -> Calibration:
    """Looks through a folder of images; of very many, through some from all of it.

    Args:
        folder: Images like those that the model will see; every fifth is kept back.

    Raises:
        UsageError: There are too few.
    """
    listed = [found for found in find_images([folder]) if not found.is_video]
    chosen = [listed[i * len(listed) // MOST] for i in range(MOST)] if listed[MOST:] else listed
    paths, digest = [], hashlib.sha256()
    for found in chosen:
        try:
            height, width, _ = read_image(found.path).shape
        except ImageError:
            continue
        paths.append(found.path)
        digest.update(f"{found.name} {height} {width}\n".encode())
    back = paths[KEPT_BACK - 1 :: KEPT_BACK]
    images = [path for i, path in enumerate(paths) if i % KEPT_BACK != KEPT_BACK - 1]
    if len(images) < FEWEST:
        raise UsageError(
            f"{fspath(folder)} holds {len(paths)} images that can be read, of which every fifth is "
            f"kept back to measure the loss on; int8 needs {FEWEST} to calibrate on, and a hundred "
            "or more, like those the model will see, are better"
        )
    return Calibration(keyed(fspath(folder)), tuple(images), tuple(back), digest.hexdigest()[:16])


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
        ModelFormatError: It can't be quantised, or finds something else then.
        RuntimeUnavailableError: See `tfzoo.prepare.int8.full_precision`.
    """
    on_step("reading the images", 0, 4)
    images = calibration(folder)
    on_step("making the form in full precision", 1, 4)
    made = full_precision(model)
    full = _opened(model, made.folder, made.cut)

    def measure(written: Path, cut: Cut) -> dict[str, Any]:
        on_step("measuring what is lost", 3, 4)
        less = _opened(model, written, cut)
        found, other = (
            [one.detect(read_image(path)) for path in images.kept_back] for one in (full, less)
        )
        agreement = agreement_map(found, other)
        if agreement is not None and agreement < LEAST_MAP:
            raise ModelFormatError(
                f"{model.id} finds something else in int8: mAP {agreement:.3f} with full precision "
                f"taken as true, on {len(images.kept_back)} images kept back; expected at least "
                f"{LEAST_MAP}. Calibrate on more images like those it will see; or it is of a "
                "kind that can't be rounded so far"
            )
        speeds = _speeds((full, less), [read_image(path) for path in images.kept_back[:TIMED]])
        return {
            "map": agreement,
            "size_mb": {"float32": size_mb(made.folder), "int8": size_mb(written)},
            "images_per_s": {"float32": speeds[0], "int8": speeds[1]},
        }

    on_step(f"quantising on {len(images.images)} images", 2, 4)
    about = {
        "folder": images.folder,
        "images": len(images.images),
        "images_digest": images.digest,
        "kept_back": len(images.kept_back),
    }
    lost = write_int8(
        model,
        made,
        images.images,
        lambda path: full.prepare(read_image(path)).inputs,
        about,
        measure,
    )
    on_step("done", 4, 4)
    return lost


def _opened(model: StoredModel, folder: Path, cut: Cut) -> Detector:
    return detector_of(model, open_runtime("openvino", folder, throughput=True), cut)


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
