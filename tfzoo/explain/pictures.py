"""Images with what is there beside what was found, small enough to lie in a page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfzoo.accuracy.fields import Record
from tfzoo.explain.overlaps import box_overlaps, right_detections
from tfzoo.images.image import Image
from tfzoo.outside import in_one_line

#: Detections below this score are not drawn, unless told.
MIN_SCORE = 0.3

#: Longest side of a picture in a page, in pixels.
_SIDE = 420

# RGB; told apart by those who see no red or green too, and by what the page says of each.
RIGHT, WRONG, MISSED, IGNORED = (46, 160, 67), (207, 34, 46), (255, 176, 0), (130, 130, 130)


@dataclass(frozen=True)
class Drawn:
    """A picture, and what is said of it.

    Attributes:
        address: The picture as a `data:` address, JPEG.
        right: Detections shown that find an object.
        wrong: Detections shown that find none.
        missed: Objects that none of them finds.
    """

    address: str
    right: int
    wrong: int
    missed: int


def drawn_truth(image: Image, truth: Sequence[Record], names: Mapping[Any, str]) -> str:
    """The objects of an image, drawn: a `data:` address."""
    crowds = [bool(one.get("iscrowd")) for one in truth]
    labels = [
        names.get(one["category_id"], str(one["category_id"])) + (" (crowd)" if crowd else "")
        for one, crowd in zip(truth, crowds, strict=True)
    ]
    colors = [IGNORED if crowd else RIGHT for crowd in crowds]
    return jpeg_address(_with_boxes(image, _boxes(truth), labels, colors))


def drawn_found(
    image: Image,
    rows: Sequence[Record],
    truth: Sequence[Record],
    names: Mapping[Any, str],
    min_score: float = MIN_SCORE,
) -> Drawn:
    """The detections of an image, drawn by what became of each, with the objects that they miss.

    Args:
        image: uint8 [H, W, 3] RGB.
        rows: COCO results rows of the image, with boxes.
        truth: Its annotations.
        names: Category names by id.
        min_score: Rows below are left out, and find nothing.
    """
    shown = sorted(
        (row for row in rows if row["score"] >= min_score), key=lambda row: -row["score"]
    )
    crowd = np.array([bool(one.get("iscrowd")) for one in truth], dtype=bool)
    boxes, objects = _boxes(shown), _boxes(truth)
    right, ignored, found = right_detections(
        box_overlaps(boxes, objects, crowd),
        np.array([row["category_id"] for row in shown]),
        np.array([one["category_id"] for one in truth]),
        crowd,
    )
    missed = np.flatnonzero(~found & ~crowd)
    # Worst first, so that the best lie on top.
    order = np.arange(len(shown))[::-1]
    names_of_rows = [names.get(row["category_id"], str(row["category_id"])) for row in shown]
    labels = ["" for _ in missed] + [f"{names_of_rows[i]} {shown[i]['score']:.2f}" for i in order]
    outcomes = np.where(right, 0, np.where(ignored, 2, 1))
    colors = [MISSED for _ in missed] + [(RIGHT, WRONG, IGNORED)[outcomes[i]] for i in order]
    picture = _with_boxes(image, np.concatenate([objects[missed], boxes[order]]), labels, colors)
    wrong = int((~right & ~ignored).sum())
    return Drawn(jpeg_address(picture), int(right.sum()), wrong, len(missed))


def _boxes(rows: Sequence[Record]) -> NDArray[np.float64]:
    return np.array([row["bbox"] for row in rows], dtype=float).reshape(len(rows), 4)


def _with_boxes(
    image: Image,
    boxes: NDArray[np.float64],
    labels: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
) -> Image:
    """A small copy of an image with boxes (x, y, width, height of the large one) drawn on it."""
    import cv2

    height, width = image.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    picture = np.ascontiguousarray(small, dtype=np.uint8)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) * factor
    corners = np.clip(corners, -9, max(size) + 9).round().astype(int)
    for (x0, y0, x1, y1), color in zip(corners.tolist(), colors, strict=True):
        cv2.rectangle(picture, (x0, y0), (x1, y1), color, 2)
    for (x0, y0, _, _), label, color in zip(corners.tolist(), labels, colors, strict=True):
        if label:
            _write(picture, label, x0, y0, color)
    return picture


def _write(picture: Image, label: str, x: int, y: int, color: tuple[int, int, int]) -> None:
    """A label on its own ground, within the picture."""
    import cv2

    # The letters at hand are ASCII's.
    text = in_one_line(label).encode("ascii", "replace").decode()
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.38
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    x = max(0, min(x, picture.shape[1] - width - 4))
    y = max(height + below + 2, min(y, picture.shape[0] - 1))
    cv2.rectangle(picture, (x, y - height - below - 2), (x + width + 4, y), color, -1)
    ink = (0, 0, 0) if color == MISSED else (255, 255, 255)
    cv2.putText(picture, text, (x + 2, y - below), font, scale, ink, 1, cv2.LINE_AA)


def jpeg_address(picture: Image) -> str:
    """A picture as a `data:` address that holds it, JPEG."""
    import cv2

    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), quality)[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
