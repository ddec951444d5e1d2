"""A sample of a run's own images through TensorFlow too: is what was found what it finds?"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfzoo.detections.agreement import Difference, agreement, difference
from tfzoo.detections.types import Detections
from tfzoo.detector import Detector
from tfzoo.errors import ImageError
from tfzoo.images.image import ImageLike
from tfzoo.images.reading import read_image
from tfzoo.loading import open_stored
from tfzoo.options import OnStep

#: Draws the sample; the same images each time.
SEED = 0


@dataclass(frozen=True)
class Check:
    """How a sample of images compares with TensorFlow's detections.

    Attributes:
        images: Images in the sample that could be read.
        agrees: Whether TensorFlow finds the same in all, but for ties.
        reason: In a sentence, what was seen.
        differing: The images that differ: `file_name`, scores of what `vanished` and `appeared`
            against TensorFlow, and how many `crossed` the threshold of the run.
    """

    images: int
    agrees: bool
    reason: str
    differing: tuple[Mapping[str, Any], ...] = ()


def check(
    detector: Detector,
    files: Sequence[tuple[ImageLike, str]],
    count: int,
    min_score: float = 0.0,
    device: str = "auto",
    on_step: OnStep = lambda doing, done, steps: None,
) -> Check:
    """Detects a sample of images with a detector and with TensorFlow on the export as it is.

    Args:
        detector: Of the run.
        files: Path (or what else `read_image` takes) and name of each image of the run.
        count: Images in the sample.
        min_score: Of the run: a detection that one side scores below it has crossed it.
        device: Of the run.
        on_step: Told what is being done.
    """
    sample = random.Random(SEED).sample(files, min(count, len(files)))
    on_step("opening the export in TensorFlow, to check with", 0, len(sample))
    opened = open_stored(detector.model, "tensorflow", device, detector.labels)
    reference = opened.suppressing(detector.suppression)
    differences: list[Difference] = []
    differing = []
    for done, (path, name) in enumerate(sample):
        on_step(f"checking {len(sample)} images with TensorFlow", done, len(sample))
        outcomes = [_found(one, path) for one in (reference, detector)]
        if isinstance(outcomes[0], str) and isinstance(outcomes[1], str):
            continue
        seen = _difference(*outcomes)
        differences.append(seen)
        crossed = _crossed(seen, outcomes, min_score)
        if seen.vanished or seen.appeared or crossed:
            rounded = {"vanished": _rounded(seen.vanished), "appeared": _rounded(seen.appeared)}
            differing.append({"file_name": name, **rounded, "crossed": crossed})
    return Check(len(differences), *agreement(differences), tuple(differing))


def _found(detector: Detector, path: ImageLike) -> Detections | str:
    try:
        return detector.detect(read_image(path))
    except ImageError as error:
        return str(error)


def _difference(reference: Detections | str, other: Detections | str) -> Difference:
    """As of detections; where one side refuses the image, all of the other's have no twin."""
    if isinstance(reference, str):
        return Difference(0, (), () if isinstance(other, str) else _scores(other))
    if isinstance(other, str):
        return Difference(len(reference), _scores(reference))
    return difference(reference, other)


def _crossed(seen: Difference, outcomes: Sequence[Detections | str], min_score: float) -> int:
    """Detections that one side has and the other has not, over the threshold of the run."""
    lonely = sum(score >= min_score for score in seen.vanished + seen.appeared)
    over = [
        0 if isinstance(one, str) else sum(score >= min_score for score in _scores(one))
        for one in outcomes
    ]
    return max(lonely, abs(over[0] - over[1]))


def _scores(found: Detections) -> tuple[float, ...]:
    return tuple(map(float, found.scores))


def _rounded(scores: Iterable[float]) -> list[float]:
    return [round(score, 4) for score in scores]
