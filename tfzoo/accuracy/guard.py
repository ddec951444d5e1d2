"""Warnings for the classic mistakes that make an AP come out wrong without an error.

Each compares what the detections are with what they would be if the mistake had been made; a
warning names the likely cause. Nothing here changes a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.fields import Id, in_order, is_box
from tfzoo.accuracy.id_slips import Slip, counted_from_one, counted_from_zero, find_slip
from tfzoo.accuracy.truth import GroundTruth

Array = NDArray[np.float64]

#: Images looked at; enough to tell a slip from a weak model.
_IMAGES = 500


@dataclass(frozen=True)
class _Found:
    """The best-scored detections of one image, as many as it has objects."""

    boxes: Array  # [N, 4] x, y, width, height as given
    categories: NDArray[np.object_]  # [N]
    size: tuple[float, float]  # width, height in pixels
    true_boxes: Array  # [G, 4]
    true_categories: NDArray[np.object_]  # [G]


def warnings_for(
    truth: GroundTruth,
    rows: Sequence[Mapping[str, Any]],
    labels: Mapping[int, str] | None = None,
    ap_with: Callable[[Mapping[Id, Id]], float | None] | None = None,
) -> list[str]:
    """What looks wrong about detections; empty when nothing does.

    Args:
        truth: The ground truth they are scored against.
        rows: COCO results rows; where their boxes lie is looked at for those that have one.
        labels: The model's category names by id, where they are known.
        ap_with: Gives AP, 0 to 1, of the detections with other category ids: those given by those
            that are meant.
    """
    if not rows:
        return ["there are no detections at all: is the score threshold too high?"]
    boxes = [row for row in rows if row.get("bbox")]
    looked_at = _best(truth, boxes)
    slip = find_slip(truth, {row["category_id"] for row in rows}, labels, partial(_gain, looked_at))
    causes = [_check_categories(truth, rows, slip, ap_with), _check_pixels(boxes)]
    if causes == [None, None]:
        # What is explained already needs no second explanation.
        causes.append(_check_places(looked_at))
    return [warning for warning in (*causes, _check_threshold(truth, rows)) if warning is not None]


_EXPLAINS = "Likely cause"


def size_warning(truth: GroundTruth, sizes: Mapping[Id, tuple[int, int]]) -> str | None:
    """What is wrong if images are not of the size that their annotations say.

    Args:
        truth: The ground truth.
        sizes: Height and width of each image as it was read, by image id.
    """
    other = [
        (image.get("file_name", image_id), size, (image["height"], image["width"]))
        for image_id, size in sizes.items()
        if (image := truth.images.get(image_id)) and "height" in image and "width" in image
        if tuple(size) != (image["height"], image["width"])
    ]
    if not other:
        return None
    name, (height, width), (true_height, true_width) = other[0]
    return (
        f"{len(other)} images are not of the size that their annotations say (such as {name}: "
        f"{width}x{height}, annotated {true_width}x{true_height}). {_EXPLAINS}: the images were "
        "resized or rotated; boxes in their pixels don't fit the annotations."
    )


def minival_warning(image_set: str) -> str | None:
    """What is wrong with an image set that models may have been trained on."""
    if image_set != "minival-like":
        return None
    return (
        "the image list looks like COCO 2014's minival or like training images. The TF2 zoo's "
        "models are trained on train2017, which holds most of the TF1 zoo's minival list: AP comes "
        "out too high (24.4 was measured for a model of 20.2). Use val2017: "
        "tfzoo coco fetch val2017"
    )


def _check_categories(
    truth: GroundTruth,
    rows: Sequence[Mapping[str, Any]],
    slip: Slip | None,
    ap_with: Callable[[Mapping[Id, Id]], float | None] | None,
) -> str | None:
    given = [row["category_id"] for row in rows]
    known = list(truth.categories)
    outside = [one not in truth.categories for one in given]
    share = sum(outside) / len(outside)
    # A model of 90 outputs may name one of COCO's ten gaps now and then.
    if share < 0.01 and slip is None:
        return None
    unknown = sorted({one for one, out in zip(given, outside, strict=True) if out}, key=in_order)
    text = (
        f"{share:.0%} of the detections have category ids that the ground truth does not "
        f"list (such as {', '.join(map(str, unknown[:5]))}); they count for nothing. "
    )
    if slip is not None:
        if share < 0.01:
            text = (
                f"the best detections find {slip.plain:.0%} of the objects as they are, but "
                f"{slip.share:.0%} if {slip.cause} is undone. "
            )
        return text + f"{_EXPLAINS}: {slip.cause}.{_ap_told(slip, ap_with)}"
    if not all(isinstance(one, int) for one in (*given, *known)):
        return text + f"{_EXPLAINS}: the annotations have ids of another kind than the detections."
    first, last, least, most = min(known), max(known), min(given), max(given)
    if len(known) < 80 and set(known) & set(given) and in_order(most) > in_order(last):
        return text + (
            f"The ground truth lists {len(known)} categories only: the model knows more, which "
            "is no mistake where a part of them is to be scored."
        )
    if least == 0 and 0 not in known:
        return text + f"{_EXPLAINS}: {counted_from_zero(known, most)}."
    if in_order(most) <= in_order(len(known)) < in_order(last) and first != 0:
        return text + f"{_EXPLAINS}: {counted_from_one(known)}."
    return text + f"{_EXPLAINS}: the model was trained on other categories than these annotations."


def _ap_told(slip: Slip, ap_with: Callable[[Mapping[Id, Id]], float | None] | None) -> str:
    if ap_with is None:
        return ""
    plain, undone = ap_with({}), ap_with(slip.meant)
    if plain is None or undone is None:
        return ""
    return f" With it undone AP is {100 * undone:.1f} instead of {100 * plain:.1f}."


def _check_pixels(rows: Sequence[Mapping[str, Any]]) -> str | None:
    boxes = np.array([row["bbox"] for row in rows], dtype=float)
    # Pixel boxes within the first two pixels of an image hardly exist; all of them never do.
    if not len(boxes) or np.quantile(np.abs(boxes), 0.99) > 2:
        return None
    return (
        "the boxes all lie within two pixels of the corner. "
        f"{_EXPLAINS}: coordinates normalised to 0..1 instead of pixels of the original image."
    )


def _check_threshold(truth: GroundTruth, rows: Sequence[Mapping[str, Any]]) -> str | None:
    counts: dict[Id, int] = defaultdict(int)
    for row in rows:
        counts[row["image_id"]] += 1
    lowest = min(row["score"] for row in rows)
    most = max(counts.values())
    # A model that fills its quota leaves out the rest by rank, not by score.
    full = sum(count == most for count in counts.values()) / len(truth.images)
    if lowest < 0.05 or full > 0.5:
        return None
    return (
        f"no score is below {lowest:.2g}, and most images have fewer than {most} detections. "
        "Likely a score threshold was left on; AP counts every detection, and a threshold lowers it"
    )


def _gain(looked_at: list[_Found], meant: Mapping[Id, Id]) -> float:
    """Share of objects that are found with other category ids."""
    if not looked_at:
        return 0.0
    return _share_found(
        looked_at,
        lambda found: _with_categories(
            found,
            # Of ids that are meant for none, none is found.
            np.array([meant.get(one) if meant else one for one in found.categories], dtype=object),
        ),
    )


def _check_places(looked_at: list[_Found]) -> str | None:
    if not looked_at:
        return None
    plain = _share_found(looked_at, lambda found: found)
    # Far below what a slip explains, and the slip explains a good deal.
    explained = {text: _share_found(looked_at, undo) for text, undo in _SLIPS.items()}
    text, share = max(explained.items(), key=lambda item: item[1])
    if share < 0.1 or plain > share / 2:
        return None
    return (
        f"the best detections find {plain:.0%} of the objects as they are, but {share:.0%} if "
        f"{text} is undone. {_EXPLAINS}: {text}."
    )


def _best(truth: GroundTruth, rows: Sequence[Mapping[str, Any]]) -> list[_Found]:
    objects: dict[Id, list[dict[str, Any]]] = defaultdict(list)
    for annotation in truth.data["annotations"]:
        if not annotation.get("iscrowd") and is_box(annotation.get("bbox")):
            objects[annotation["image_id"]].append(annotation)
    detections: dict[Id, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        detections[row["image_id"]].append(row)
    found = []
    for image_id in sorted(objects.keys() & detections.keys(), key=in_order)[:_IMAGES]:
        wanted = objects[image_id]
        best = sorted(detections[image_id], key=lambda row: -row["score"])[: len(wanted)]
        image = truth.images[image_id]
        found.append(
            _Found(
                np.array([row["bbox"] for row in best], dtype=float),
                np.array([row["category_id"] for row in best], dtype=object),
                (float(image.get("width", 1)), float(image.get("height", 1))),
                np.array([annotation["bbox"] for annotation in wanted], dtype=float),
                np.array([annotation["category_id"] for annotation in wanted], dtype=object),
            )
        )
    return found


def _share_found(images: list[_Found], undo: Callable[[_Found], _Found]) -> float:
    """Share of objects that a detection of their category overlaps by half, after `undo`."""
    hits = total = 0
    for image in map(undo, images):
        overlap = _overlaps(image.boxes, image.true_boxes)
        same = image.categories[:, None] == image.true_categories[None, :]
        hits += int(((overlap >= 0.5) & same).any(axis=0).sum())
        total += len(image.true_boxes)
    return hits / total


def _overlaps(boxes: Array, others: Array) -> Array:
    """IoU of boxes [N, 4] with others [M, 4], both x, y, width, height: [N, M]."""
    corner, far = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    other_corner, other_far = others[None, :, :2], others[None, :, :2] + others[None, :, 2:]
    sides = np.clip(np.minimum(far, other_far) - np.maximum(corner, other_corner), 0, None)
    shared = sides.prod(axis=2)
    areas = np.clip(boxes[:, 2:], 0, None).prod(axis=1)[:, None] + others[:, 2:].prod(axis=1)[None]
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))


def _with_boxes(found: _Found, boxes: Array) -> _Found:
    return _Found(boxes, found.categories, found.size, found.true_boxes, found.true_categories)


def _with_categories(found: _Found, categories: NDArray[np.object_]) -> _Found:
    return _Found(found.boxes, categories, found.size, found.true_boxes, found.true_categories)


def _unswapped(found: _Found) -> _Found:
    return _with_boxes(found, found.boxes[:, [1, 0, 3, 2]])


def _unswapped_scaled(found: _Found) -> _Found:
    scale = np.tile(found.size, 2)
    return _with_boxes(found, (found.boxes / scale)[:, [1, 0, 3, 2]] * scale)


def _rescaled(found: _Found) -> _Found:
    scale = np.tile(found.size, 2)
    return _with_boxes(found, found.boxes / scale[[1, 0, 3, 2]] * scale)


def _from_corners(found: _Found) -> _Found:
    corners, far = found.boxes[:, :2], found.boxes[:, 2:]
    return _with_boxes(found, np.concatenate([corners, far - corners], axis=1))


def _denormalised(found: _Found) -> _Found:
    return _with_boxes(found, found.boxes * np.tile(found.size, 2))


def _from_swapped_corners(found: _Found) -> _Found:
    return _from_corners(_unswapped(found))


#: What may have gone wrong, and how to undo it.
_SLIPS: dict[str, Callable[[_Found], _Found]] = {
    "swapped axes (x and y exchanged)": _unswapped,
    "swapped axes (x and y exchanged, then scaled by width and height)": _unswapped_scaled,
    "swapped axes (x scaled by the height and y by the width)": _rescaled,
    "boxes as x0, y0, x1, y1 instead of x, y, width, height": _from_corners,
    "boxes as y0, x0, y1, x1 instead of x, y, width, height": _from_swapped_corners,
    "boxes normalised to 0..1 instead of pixels": _denormalised,
}
