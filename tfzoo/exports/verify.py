"""Whether an export finds what TensorFlow finds with the model as it is, in figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike, fspath

from tfzoo.detections.agreement import agreement, difference, worst_differences
from tfzoo.detections.agreement_map import agreement_map
from tfzoo.detections.types import Detections
from tfzoo.errors import ImageError, ModelFormatError, UsageError
from tfzoo.exports.source import Detect
from tfzoo.images.image import Image
from tfzoo.images.reading import read_image
from tfzoo.images.sources import find_images

#: With less agreement than this mAP, TensorFlow's detections taken as true, an export that is
#: rounded is another detector. In int8 as in `tfzoo.trials.quantise`.
LEAST_MAP = {"float16": 0.95, "int8": 0.6}


@dataclass(frozen=True)
class Verified:
    """How an export compares with TensorFlow on the model as it is.

    Attributes:
        images: Images looked at.
        detections: TensorFlow's in them that should have a twin.
        agrees: Whether it finds the same, but for ties.
        reason: In a sentence, what was seen.
        score_difference: The most that a clear detection's score is off.
        box_difference: The most that a side of its box is off, in pixels.
        map: Of what is rounded, COCO's mAP of its detections with TensorFlow's taken as true, 0
            to 1; None where that finds nothing clear.
    """

    images: int
    detections: int
    agrees: bool
    reason: str
    score_difference: float
    box_difference: float
    map: float | None


def images_of(folder: str | PathLike[str]) -> list[Image]:
    """The images of a folder that can be read.

    Raises:
        UsageError: There is none.
    """
    found = []
    for file in find_images([folder]):
        try:
            found.append(read_image(file.path))
        except ImageError:
            continue
    if not found:
        raise UsageError(f"{fspath(folder)} holds no image that can be read, to verify with")
    return found


def verify(
    reference: Detect,
    export: Detect,
    images: Iterable[Image],
    precision: str,
    min_score: float = 0.0,
) -> Verified:
    """Holds an export against TensorFlow.

    Args:
        reference: TensorFlow on the model as it is.
        export: What was exported, run by its own runtime.
        images: Full and empty ones.
        precision: In `float32` it must find the same; rounded, nearly so.
        min_score: What the export leaves out.

    Raises:
        ModelFormatError: It finds something else, or too little was seen to say.
    """
    found, others = [], []
    for image in images:
        pair = [_found(one, image) for one in (reference, export)]
        if pair == [None, None]:
            continue  # Both refuse it.
        if pair[0] is None or pair[1] is None:
            height, width = image.shape[:2]
            who = "TensorFlow" if pair[0] is None else "the export"
            raise ModelFormatError(f"{who} alone refuses an image of {width}x{height} pixels")
        found.append(pair[0].above(min_score))
        others.append(pair[1].above(min_score))
    differences = [difference(*pair) for pair in zip(found, others, strict=True)]
    agrees, reason = agreement(differences)
    score, box = worst_differences(found, others)
    verified = Verified(
        len(found),
        sum(one.counted for one in differences),
        agrees,
        reason,
        round(score, 6),
        round(box, 3),
        None if precision == "float32" else agreement_map(found, others),
    )
    _refuse(verified, precision)
    return verified


def _refuse(seen: Verified, precision: str) -> None:
    if precision == "float32":
        if not seen.agrees:
            raise ModelFormatError(
                f"the export does not find what TensorFlow finds in {seen.images} images: "
                f"{seen.reason}; it was not written"
            )
        return
    if seen.map is None:
        raise ModelFormatError(
            f"TensorFlow finds nothing clear in {seen.images} images, so that what {precision} "
            "loses can't be told; it was not written. Verify it on images with something in them: "
            "--check FOLDER"
        )
    if seen.map < LEAST_MAP[precision]:
        raise ModelFormatError(
            f"the export finds something else in {precision}: mAP {seen.map:.3f} with TensorFlow's "
            f"detections taken as true, on {seen.images} images; expected at least "
            f"{LEAST_MAP[precision]}; it was not written. It is of a kind that can't be rounded so "
            "far, or was calibrated on too few images like those it will see"
        )


def _found(detect: Detect, image: Image) -> Detections | None:
    try:
        return detect(image)
    except ImageError:
        return None


def summary(seen: Verified, precision: str) -> str:
    """What was seen, in a sentence."""
    worst = (
        f"clear ones off by at most {seen.score_difference:.2g} in score and "
        f"{seen.box_difference:.2g} pixels"
    )
    if precision == "float32":
        return f"on {seen.images} images it {seen.reason}; {worst}"
    return (
        f"on {seen.images} images mAP {seen.map:.3f} with TensorFlow's detections taken as true; "
        f"{worst}"
    )
