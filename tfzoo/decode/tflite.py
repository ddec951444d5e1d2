"""CenterNet exports made for TFLite: both CenterNet MobileNetV2 FPN archives of the zoo.

`export_tflite_graph_lib_tf2.CenterNetModule` (tensorflow/models, research/object_detection)
takes raw pixels of a fixed size and returns unnamed outputs, which TensorFlow numbers in reversed
order. Class ids count from 0. The training configs keep an image's aspect and pad it at the
bottom and right, so that is how images are fed, and undone in what comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.decode.frame import Frame, Raw, assemble
from tfzoo.decode.pixels import RAW, fed, placed, takes_fixed_images
from tfzoo.detections.types import Detections
from tfzoo.errors import ModelFormatError
from tfzoo.images.image import Image
from tfzoo.runtimes.runtime import Signature, TensorInfo

EXPECTS = (
    "one float32, uint8 or int8 [1,H,W,3] image in; output_0.. out: number [1], scores [1,N], "
    "classes [1,N], boxes [1,N,4], before them keypoint scores [1,N,K] and keypoints [1,N,K,2], or "
    "all of it in the opposite order; the four without keypoints in any order"
)

USUAL = RAW

# What the outputs are, in the order of their numbers.
_LAYOUTS = (
    ("number", "scores", "classes", "boxes"),
    ("keypoint_scores", "keypoints", "number", "scores", "classes", "boxes"),
    ("boxes", "classes", "scores", "number"),
    ("boxes", "classes", "scores", "number", "keypoints", "keypoint_scores"),
)
_RANKS = {"number": 1, "scores": 2, "classes": 2, "boxes": 3, "keypoint_scores": 3, "keypoints": 4}


def fits(signature: Signature) -> bool:
    """Whether a signature is of this kind."""
    return (
        takes_fixed_images(signature)
        and _roles({info.name: info.shape for info in signature.outputs}) is not None
    )


def prepare(image: Image, entry: TensorInfo) -> tuple[NDArray[Any], Frame]:
    """See `tfzoo.decode.prepare`."""
    content, frame = placed(image, entry, keeps_aspect=True)
    return fed(content, entry, USUAL), frame


def decode(raw: Raw, frame: Frame, labels: Mapping[int, str], min_score: float) -> Detections:
    """See `tfzoo.decode.decode`."""
    roles = _roles({name: value.shape for name, value in raw.items()})
    if roles is None:
        raise _unfitting(raw)
    found = {role: raw[name][0] for role, name in roles.items()}
    scores, classes = found["scores"], found["classes"]
    if not _are_scores_and_classes(scores, classes):
        # Equal in shape: where the values contradict the order, the values decide.
        scores, classes = classes, scores
        if not _are_scores_and_classes(scores, classes):
            raise _unfitting(raw)
    count = int(np.clip(round(float(np.nan_to_num(found["number"]))), 0, len(scores)))
    keypoints = keypoint_scores = None
    if "keypoints" in found:
        keypoints = frame.from_normalised(found["keypoints"][:count])
        keypoint_scores = found["keypoint_scores"][:count]
    return assemble(
        frame,
        frame.from_normalised(found["boxes"][:count].reshape(-1, 2, 2)).reshape(-1, 4),
        scores[:count],
        classes[:count] + 1,
        labels,
        min_score,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
    )


def _roles(shapes: Mapping[str, Sequence[int | None]]) -> dict[str, str] | None:
    """Output names by what they hold, or None where the shapes fit no layout."""
    numbers = {name: int(found[0]) for name in shapes if (found := re.search(r"\d+$", name))}
    names = sorted(shapes, key=lambda name: numbers.get(name, -1))
    ranks = [len(shapes[name]) for name in names]
    layouts = _LAYOUTS if len(numbers) == len(shapes) else ()
    fitting = [one for one in layouts if ranks == [_RANKS[role] for role in one]]
    if not fitting:
        # In an order that tells nothing, their ranks do; of scores and classes, their values.
        plain = _LAYOUTS[0]
        fitting = [plain] if sorted(ranks) == [_RANKS[role] for role in plain] else []
        names.sort(key=lambda name: len(shapes[name]))
    for layout in fitting[:1]:
        roles = dict(zip(layout, names, strict=True))
        return roles if _agree({role: shapes[name] for role, name in roles.items()}) else None
    return None


def _agree(shapes: Mapping[str, Sequence[int | None]]) -> bool:
    """Whether the sizes of outputs, by role, fit together; a free size (None) fits any."""
    rows = {shape[1] for role, shape in shapes.items() if role != "number"} - {None}
    fixed = [shapes["boxes"][2] in (4, None)]
    if "keypoints" in shapes:
        points = {shapes["keypoints"][2], shapes["keypoint_scores"][2]} - {None}
        fixed += [shapes["keypoints"][3] in (2, None), len(points) <= 1]
    batches = {shape[0] for shape in shapes.values()} - {None}
    return len(rows) <= 1 and batches <= {1} and all(fixed)


def _are_scores_and_classes(scores: NDArray[Any], classes: NDArray[Any]) -> bool:
    known = scores[np.isfinite(scores)]
    return bool(
        ((known >= 0) & (known <= 1)).all()
        and ((classes >= 0) & (classes == classes.round())).all()
    )


def _unfitting(raw: Raw) -> ModelFormatError:
    found = ", ".join(
        f"{name} {value.dtype.name} {list(value.shape)}" for name, value in raw.items()
    )
    return ModelFormatError(f"the model returned {found}; expected {EXPECTS}")
